# Rows of doc/kubectl.md that write.

creates_from_files() {
    config_map from-file 'x: "1"' | says created k create -f -
    config_map from-file 'x: "1"' | fails 'already exists' k create -f -
    config_map dry 'x: "1"' | says created k create --dry-run=server -f -
    fails 'not found' k get cm dry
    printf 'apiVersion: v1\nkind: ConfigMap\nmetadata: {generateName: made-}\n' |
        says configmap/made- k create -f - -o name
    config_map typo 'x: "1"' | sed 's/data:/dta:/' | fails 'dta' k create -f -
    sed 's/pod}/bogus}/; s/name: nm}/name: bad}/' "$work/fixture.yaml" >"$work/bad.yaml"
    fails 'spec.map[0].destination.type: Unsupported value: "bogus"' k create -f "$work/bad.yaml"
}

# Typed bodies: JSON up to 1.31, protobuf from 1.32.
creates_imperatively() {
    openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=x -days 1 -keyout "$work/key" \
        -out "$work/cert" 2>/dev/null
    says created k create ns "$ns-more"
    says created k create secret generic s-generic --from-literal=a=b
    says created k create secret tls s-tls --cert="$work/cert" --key="$work/key"
    says created k create secret docker-registry s-registry --docker-server=x --docker-username=u \
        --docker-password=p
    same "$(k get secret s-generic s-tls s-registry -o 'jsonpath={.items[*].type}')" \
        'Opaque kubernetes.io/tls kubernetes.io/dockerconfigjson'
    same "$(k get secret s-generic -o 'go-template={{ .data.a | base64decode }}')" b
    says created k create cm c-literal --from-literal=a=b --from-file="$work/cert"
    same "$(k get cm c-literal -o 'jsonpath={.data.a}')" b
    says created k create sa sa-made
    says created k create job j-made --image=x -- true
    same "$(k get job j-made -o 'jsonpath={.spec.template.spec.containers[0].command[0]}')" true
    says created k create role r-made --verb=get,list --resource=pods
    says created k create rolebinding rb-made --role=r-made --serviceaccount="$ns:sa-made"
    says created k create clusterrole "cr-$ns" --verb=get --resource=plans.forklift.konveyor.io
    says created k create clusterrolebinding "crb-$ns" --clusterrole="cr-$ns" --user=nobody
    same "$(k get clusterrole "cr-$ns" -o 'jsonpath={.rules[0].apiGroups[0]}')" forklift.konveyor.io
    says created k create deployment d-made --image=x
    same "$(k get deployment d-made -o 'jsonpath={.spec.replicas}')" 1
    says deleted k delete clusterrole,clusterrolebinding "cr-$ns" "crb-$ns" --ignore-not-found
    says deleted k delete ns "$ns-more" --timeout=30s
}

runs_a_pod() {
    says created k run ran --image=x --labels=a=b --restart=Never -- sleep 1
    same "$(k get pod ran -o 'jsonpath={.spec.containers[0].args[0]} {.metadata.labels.a}')" 'sleep b'
    says deleted k delete pod ran --now
}

applies() {
    config_map applied 'x: "1"' >"$work/cm.yaml"
    says created k apply -f "$work/cm.yaml"
    says unchanged k apply -f "$work/cm.yaml"
    config_map applied 'x: "2"' >"$work/cm.yaml"
    says configured k apply -f "$work/cm.yaml"
    same "$(k get cm applied -o 'jsonpath={.data.x}')" 2
    config_map applied 'z: "3"' >"$work/cm.yaml" # x is no longer wanted
    says configured k apply -f "$work/cm.yaml"
    same "$(k get cm applied -o 'jsonpath={.data}')" '{"z":"3"}'
    says 'z: "3"' k apply view-last-applied cm/applied
    # a custom resource, for which it merges otherwise, and a list with keys
    says networkmap.forklift.konveyor.io/nm k apply -f "$work/fixture.yaml"
    says 'networkmap.forklift.konveyor.io/nm unchanged' k apply -f "$work/fixture.yaml"
    sed 's/id: x/id: z/' "$work/fixture.yaml" | says 'nm configured' k apply -f -
    same "$(k get networkmap nm -o 'jsonpath={.spec.map[0].source.id}')" z
    says 'nm configured' k apply -f "$work/fixture.yaml"
    config_map applied 'z: "4"' | says 'server dry run' k apply --dry-run=server -f -
    same "$(k get cm applied -o 'jsonpath={.data.z}')" 3
}

applies_on_the_server() {
    config_map ssa 'x: "1"' >"$work/ssa.yaml"
    says serverside-applied k apply --server-side -f "$work/ssa.yaml"
    config_map ssa 'x: "2"' | fails 'conflict with "kubectl"' \
        k apply --server-side --field-manager=other -f -
    config_map ssa 'x: "2"' | says serverside-applied \
        k apply --server-side --field-manager=other --force-conflicts -f -
    same "$(k get cm ssa -o 'jsonpath={.data.x}')" 2
    same "$(k get cm ssa -o 'jsonpath={.metadata.managedFields[*].manager}')" other
    # one that was applied by the client before
    says serverside-applied k apply --server-side --force-conflicts -f "$work/cm.yaml"
    says serverside-applied k apply --server-side --force-conflicts -f "$work/fixture.yaml"
    config_map ssa 'x: "3"' | says serverside-applied k apply --server-side --dry-run=server \
        --force-conflicts -f -
    same "$(k get cm ssa -o 'jsonpath={.data.x}')" 2
}

diffs() {
    config_map a 'x: "9"' | fails '+  x: "9"' k diff -f -
    config_map a 'x: "9"' | fails '+  x: "9"' k diff --server-side --force-conflicts -f -
    config_map same 'x: "1"' >"$work/same.yaml"
    k apply -f "$work/same.yaml" >/dev/null
    k diff -f "$work/same.yaml" # says so by its exit code
}

replaces() {
    config_map replaced 'x: "1"' | k create -f - >/dev/null
    k get cm replaced -o yaml >"$work/old.yaml"
    config_map replaced 'x: "2"' | says replaced k replace -f -
    same "$(k get cm replaced -o 'jsonpath={.data.x}')" 2
    fails 'the object has been modified' k replace -f "$work/old.yaml"
    before=$(k get cm replaced -o 'jsonpath={.metadata.uid}')
    config_map replaced 'x: "3"' | says replaced k replace --force -f -
    [ "$(k get cm replaced -o 'jsonpath={.metadata.uid}')" != "$before" ]
}

# edit_with SED-SCRIPT ARGUMENT...: kubectl edit with an editor that runs the script
edit_with() {
    printf '#!/bin/sh\nsed -i '"'%s'"' "$1"\n' "$1" >"$work/editor"
    chmod +x "$work/editor"
    shift
    KUBE_EDITOR=$work/editor k edit "$@"
}

edits() {
    config_map edited 'x: "1"' | k create -f - >/dev/null
    says edited edit_with 's/x: .1./x: "7"/' cm edited
    same "$(k get cm edited -o 'jsonpath={.data.x}')" 7
    says edited edit_with 's/id: x/id: w/' networkmap nm
    same "$(k get networkmap nm -o 'jsonpath={.spec.map[0].source.id}')" w
    says edited edit_with 's/id: w/id: x/' networkmap nm
    says 'no changes' edit_with '' networkmap nm
}

patches_merge() {
    says patched k patch networkmap nm --type=merge -p '{"metadata":{"labels":{"q":"w"}}}'
    same "$(k get networkmap nm -o 'jsonpath={.metadata.labels.q}')" w
    says 'no change' k patch networkmap nm --type=merge -p '{"metadata":{"labels":{"q":"w"}}}'
    says patched k patch networkmap nm --type=merge -p '{"metadata":{"labels":{"q":null}}}'
    same "$(k get networkmap nm -o 'jsonpath={.metadata.labels.q}')" ''
}

patches_json() {
    patch='[{"op":"test","path":"/spec/map/0/source/id","value":"x"},{"op":"add","path":"/spec/map/0/source/name","value":"n"}]'
    says patched k patch networkmap nm --type=json -p "$patch"
    same "$(k get networkmap nm -o 'jsonpath={.spec.map[0].source.name}')" n
    fails '' k patch networkmap nm --type=json \
        -p '[{"op":"test","path":"/spec/map/0/source/id","value":"other"}]'
}

patches_strategic() {
    k create deployment patched --image=x >/dev/null
    says patched k patch deployment patched \
        -p '{"spec":{"template":{"spec":{"containers":[{"name":"side","image":"y"}]}}}}'
    # merged by the name of the container, not replaced
    same "$(k get deployment patched -o 'jsonpath={.spec.template.spec.containers[*].name}' |
        xargs -n1 | sort | xargs)" 'side x'
    says 'image updated' k set image deployment/patched side=z
    same "$(k get deployment patched -o 'jsonpath={.spec.template.spec.containers[?(@.name=="side")].image}')" z
    says restarted k rollout restart deployment/patched
    fails '' k patch networkmap nm --type=strategic -p '{}'
}

patches_status() {
    says patched k patch job job --subresource=status --type=merge -p '{"status":{"failed":2}}'
    same "$(k get job job -o 'jsonpath={.status.failed}')" 2
}

labels() {
    says labeled k label cm b q=w
    same "$(k get cm -l q=w -o name)" configmap/b
    fails 'already has a value' k label cm b q=e
    says labeled k label --overwrite cm b q=e
    k label cm b q- >/dev/null
    same "$(k get cm -l q -o name)" ''
    fails 'a valid label must be' k label cm b 'q=not valid'
}

annotates() {
    says annotate k annotate cm b q=w # 1.27 says no more
    same "$(k get cm b -o 'jsonpath={.metadata.annotations.q}')" w
    says annotate k annotate --overwrite cm b q=e
    k annotate cm b q- >/dev/null
    same "$(k get cm b -o 'jsonpath={.metadata.annotations.q}')" ''
}

scales() {
    says scaled k scale deployment/forklift-validation --replicas=0
    same "$(k get deployment forklift-validation -o 'jsonpath={.spec.replicas}')" 0
    fails xpected k scale --current-replicas=5 --replicas=2 deployment/forklift-validation
    says scaled k scale --current-replicas=0 --replicas=2 deployment/forklift-validation
}

# owner_of NAME: a ConfigMap and another one that belongs to it and blocks its deletion
owner_of() {
    k create cm owner >/dev/null
    uid=$(k get cm owner -o 'jsonpath={.metadata.uid}')
    k apply -f - >/dev/null <<X
apiVersion: v1
kind: ConfigMap
metadata:
  name: $1
  ownerReferences: [{apiVersion: v1, kind: ConfigMap, name: owner, uid: $uid, blockOwnerDeletion: true}]
X
}

is_gone() { fails 'not found' k get "$@"; }

deletes_in_the_background() {
    owner_of owned
    says deleted k delete cm owner
    is_gone cm owner
    wait_until 10 is_gone cm owned
}

deletes_in_the_foreground() {
    owner_of owned
    k patch cm owned --type=merge -p '{"metadata":{"finalizers":["example.com/wait"]}}' >/dev/null
    says deleted k delete cm owner --cascade=foreground --wait=false
    # it waits for what blocks it
    same "$(k get cm owner -o 'jsonpath={.metadata.finalizers[*]}')" foregroundDeletion
    k patch cm owned --type=merge -p '{"metadata":{"finalizers":null}}' >/dev/null
    wait_until 10 is_gone cm owner
    is_gone cm owned
}

deletes_and_leaves_orphans() {
    owner_of owned
    says deleted k delete cm owner --cascade=orphan
    same "$(k get cm owned -o 'jsonpath={.metadata.ownerReferences}')" ''
    k delete cm owned >/dev/null
}

deletes_many() {
    k create cm many-1 >/dev/null
    k create cm many-2 >/dev/null
    k label cm many-1 many-2 many=1 >/dev/null
    says many-2 k delete cm -l many=1
    says deleted k delete networkmaps --all
    says deleted k delete pod pod --grace-period=0 --force
    says deleted k delete -f "$work/fixture.yaml" --ignore-not-found
    says deleted k delete secrets --all
    same "$(k get networkmaps,secrets,cm -l 'many' -o name)" ''
}

deletes_a_namespace() {
    says deleted k delete ns "$ns" --timeout=30s
    is_gone ns "$ns"
    says created k create ns "$ns" # and nothing is left in a new one of its name
    same "$(k get pods,events,deployments -o name)" ''
    says deleted k delete ns "$ns" --timeout=30s
}

writing_rows() {
    row 'create -f' creates_from_files
    row 'create ns, secret ×3, configmap, sa, job, role, rolebinding, clusterrole, clusterrolebinding, deployment' \
        creates_imperatively
    row 'run' runs_a_pod
    row 'apply, apply view-last-applied' applies
    row 'apply --server-side, --force-conflicts' applies_on_the_server
    row 'diff, diff --server-side' diffs
    row 'replace, replace --force' replaces
    row 'edit (with a scripted editor)' edits
    row 'patch --type=merge' patches_merge
    row 'patch --type=json' patches_json
    row 'patch --type=strategic, set image, rollout restart' patches_strategic
    row_since 24 'patch --subresource=status' patches_status
    row 'label' labels
    row 'annotate' annotates
    row 'scale, scale --current-replicas' scales
    row 'delete --cascade=background' deletes_in_the_background
    row 'delete --cascade=foreground' deletes_in_the_foreground
    row 'delete --cascade=orphan' deletes_and_leaves_orphans
}

# What takes away what other rows need.
last_rows() {
    row 'delete -l, --all, -f, --force' deletes_many
    row 'delete ns' deletes_a_namespace
}
