#!/bin/bash
# The API server against real kubectls: each command of doc/kubectl.md, its result checked.
#
# The oldest and the newest kubectl of this machine; all of them with GANTRY_ALL_KUBECTLS=1.
. "$(dirname "$0")/functions.sh"

serve=$BUILD/tests/apiserver-serve
kubectls=$(for k in "$source_root/.cache/kubectl-debian/usr/bin/kubectl" \
    /usr/lib/google-cloud-sdk/bin/kubectl.1.* /usr/bin/kubectl; do
    # a dispatcher picks another program by the server's version: not a version of its own
    [ -x "$k" ] && ! "$k" version --client 2>/dev/null | grep -q dispatcher && echo "$k"
done)
[ -n "$kubectls" ] || kubectls=$(command -v kubectl)
[ -n "$kubectls" ] || skip_all "no kubectl"
if [ "${GANTRY_ALL_KUBECTLS:-0}" != 1 ]; then
    kubectls=$(echo "$kubectls" | sed -n '1p;$p' | uniq)
fi

start_server() {
    mkfifo "$work/stdin"
    sleep 1000 >"$work/stdin" &
    keeper=$!
    "$serve" "$work/home" <"$work/stdin" >"$work/ready" 2>"$work/serve.log" &
    server=$!
    cleanup_fn "kill $keeper $server"
    for _ in $(seq 200); do
        grep -q ready "$work/ready" && return 0
        sleep 0.1
    done
    cat "$work/serve.log"
    return 1
}

k() { timeout 60 "$kubectl" -n "$ns" "$@"; }

# older_than MINOR: the kubectl under test is older than 1.MINOR
older_than() { [ "${version#1.}" -lt "$1" ]; }

# says TEXT COMMAND...: the command succeeds and prints TEXT
says() {
    local want=$1 out
    shift
    out=$("$@" 2>&1) || { echo "$* failed: $out"; return 1; }
    grep -qF -- "$want" <<<"$out" || { echo "$* printed: $out"; return 1; }
}

# fails TEXT COMMAND...: the command fails and prints TEXT
fails() {
    local want=$1 out
    shift
    out=$("$@" 2>&1) && { echo "$* succeeded: $out"; return 1; }
    grep -qF -- "$want" <<<"$out" || { echo "$* printed: $out"; return 1; }
}

discovers() {
    says networkmaps k api-resources
    says forklift.konveyor.io/v1beta1 k api-versions
    says 1.32 k version
    says ok k get --raw /readyz
}

creates_imperatively() {
    says created k create ns "$ns"
    says created k create secret generic s1 --from-literal=a=b
    says created k create cm c1 --from-literal=a=b
    says created k create sa sa1
    says created k create role r1 --verb=get,list --resource=pods
    says created k create rolebinding rb1 --role=r1 --serviceaccount="$ns:sa1"
    says created k create job j1 --image=x -- true
    says Yg== k get secret s1 -o 'jsonpath={.data.a}'
    fails 'already exists' k create cm c1
}

gets_in_every_form() {
    says c1 k get cm
    says c1 k get cm -o wide
    says 'name: c1' k get cm c1 -o yaml
    says '"name": "c1"' k get cm c1 -o json
    says configmap/c1 k get cm c1 -o name
    says c1 k get cm c1 -o 'custom-columns=N:.metadata.name'
    says c1 k get cm c1 -o 'go-template={{.metadata.name}}'
    says kube-root-ca.crt k get cm -A
    fails 'configmaps "none" not found' k get cm none
}

write_files() {
    cat >"$work/nm.yaml" <<X
apiVersion: forklift.konveyor.io/v1beta1
kind: NetworkMap
metadata: {name: nm1}
spec:
  map:
  - source: {id: x}
    destination: {type: pod}
  provider:
    source: {name: a, namespace: default}
    destination: {name: b, namespace: default}
X
    printf 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c2}\ndata: {x: "1"}\n' >"$work/cm.yaml"
    cat >"$work/pod.yaml" <<X
apiVersion: v1
kind: Pod
metadata: {name: p1, labels: {app: p}}
spec: {containers: [{name: c, image: x}]}
X
}

applies() {
    write_files
    says created k apply -f "$work/nm.yaml"
    says unchanged k apply -f "$work/nm.yaml"
    says created k apply -f "$work/cm.yaml"
    sed -i 's/"1"/"2"/' "$work/cm.yaml"
    fails '+  x: "2"' k diff -f "$work/cm.yaml"
    says configured k apply -f "$work/cm.yaml"
    says 2 k get cm c2 -o 'jsonpath={.data.x}'
    says serverside-applied k apply --server-side --force-conflicts -f "$work/cm.yaml"
    says replaced k replace -f "$work/cm.yaml"
    says replaced k replace --force -f "$work/cm.yaml"
    sed 's/pod}/bogus}/' "$work/nm.yaml" >"$work/bad.yaml"
    fails 'spec.map[0].destination.type: Unsupported value: "bogus"' k apply -f "$work/bad.yaml"
}

edits() {
    printf '#!/bin/sh\nsed -i "s/x: .2./x: \\"3\\"/" "$1"\n' >"$work/editor"
    chmod +x "$work/editor"
    KUBE_EDITOR=$work/editor says edited k edit cm c2
    says 3 k get cm c2 -o 'jsonpath={.data.x}'
}

patches() {
    says patched k patch networkmap nm1 --type=merge -p '{"metadata":{"labels":{"q":"w"}}}'
    says patched k patch networkmap nm1 --type=json \
        -p '[{"op":"replace","path":"/spec/map/0/source/id","value":"zz"}]'
    says patched k patch cm c2 -p '{"data":{"z":"z"}}'
    fails '' k patch networkmap nm1 --type=strategic -p '{}'
    says labeled k label cm c2 a=b
    says annotate k annotate cm c2 a=b
    says c2 k get cm -l a=b
}

describes_and_explains() {
    says zz k describe networkmap nm1
    says Labels k describe job j1
    says sa1 k describe sa sa1
    says Active k describe ns "$ns"
    says source k explain networkmap.spec.map
    says image k explain pod.spec.containers
}

asks_for_rights() {
    says yes k auth can-i create configmaps
    # a Role in no namespace is none, least of all the ClusterRole of its name
    k create clusterrolebinding no-role --clusterrole=cluster-admin --user=eve --dry-run=client \
        -o yaml | sed '/^roleRef/,/^subjects/s/kind: ClusterRole/kind: Role/' >"$work/no-role.yaml"
    fails 'roleRef.kind: Unsupported value: "Role"' k apply -f "$work/no-role.yaml"
    fails no k auth can-i create configmaps --as=eve
    fails no k auth can-i create configmaps --as="system:serviceaccount:$ns:sa1"
    says yes k auth can-i get pods --as="system:serviceaccount:$ns:sa1"
    says pods k auth can-i --list --as="system:serviceaccount:$ns:sa1"
    older_than 24 && return 0 # no "create token"
    token=$(k create token sa1)
    says p timeout 30 "$kubectl" -n "$ns" --token="$token" get pods -o name
    fails forbidden timeout 30 "$kubectl" -n "$ns" --token="$token" get secrets
    fails Unauthorized timeout 30 "$kubectl" -n "$ns" --token=bogus get pods
}

pod_of() { # VOLUME: a Pod with it
    printf '{"apiVersion":"v1","kind":"Pod","metadata":{"name":"hp"},"spec":{"containers":[{"name":"c","image":"busybox"}],"volumes":[%s]}}' "$1"
}

paths_of_this_machine_are_for_those_who_may() {
    k create role editor --verb='*' --resource=pods,jobs.batch,virtualmachines.kubevirt.io,providers.forklift.konveyor.io >/dev/null
    k create rolebinding editor --role=editor --user=mallory >/dev/null
    path='{"name":"v","hostPath":{"path":"/etc"}}'
    pod_of "$path" >"$work/hp.json"
    fails '"/etc" is a path of this machine' k --as=mallory create --dry-run=server -f "$work/hp.json"
    pod_of '{"name":"v","emptyDir":{}}' >"$work/ok.json"
    says hp k --as=mallory create --dry-run=server -f "$work/ok.json"
    says hp k create --dry-run=server -f "$work/hp.json"
    printf '{"apiVersion":"batch/v1","kind":"Job","metadata":{"name":"hp"},"spec":{"template":{"spec":{"restartPolicy":"Never","containers":[{"name":"c","image":"busybox"}],"volumes":[%s]}}}}' "$path" >"$work/job.json"
    fails '"/etc" is a path of this machine' k --as=mallory create --dry-run=server -f "$work/job.json"
    cat >"$work/vm.yaml" <<YAML
apiVersion: kubevirt.io/v1
kind: VirtualMachine
metadata: {name: hp}
spec:
  runStrategy: Halted
  template: {spec: {domain: {devices: {}}, volumes: [{name: v, hostDisk: {path: /dev/sda, type: Disk}}]}}
YAML
    fails '"/dev/sda" is a path of this machine' k --as=mallory create --dry-run=server -f "$work/vm.yaml"
    printf '{"apiVersion":"forklift.konveyor.io/v1beta1","kind":"Provider","metadata":{"name":"hp"},"spec":{"type":"ova","url":"/root","secret":{}}}' >"$work/provider.json"
    fails '"/root" is a path of this machine' k --as=mallory create --dry-run=server -f "$work/provider.json"
    # who is given the right has it
    cat >"$work/role.yaml" <<YAML
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: hostmount}
rules: [{apiGroups: [security.openshift.io], resources: [securitycontextconstraints], resourceNames: [hostmount-anyuid], verbs: [use]}]
YAML
    k apply -f "$work/role.yaml" >/dev/null
    k create rolebinding hostmount --clusterrole=hostmount --user=mallory >/dev/null
    says hp k --as=mallory create --dry-run=server -f "$work/hp.json"
    k delete rolebinding editor hostmount >/dev/null
    k delete clusterrole hostmount >/dev/null
}

looks_around() {
    says "server: https://" k config view
    says gantry k config current-context
    k cluster-info dump -o json >"$work/dump"
    grep -q '"kind": "PodList"' "$work/dump" && grep -q '"name": "p1"' "$work/dump"
    grep -q '"kind": "EventList"' "$work/dump"
    older_than 28 || says gantry-admin k auth whoami
    says plans.forklift.konveyor.io k get crd -o name
    says p1 k get pods --sort-by=.metadata.name
    says p1 k get pods --field-selector=metadata.name=p1
    says app=p k get pods --show-labels
    says c1 k get cm,secrets
}

scales() {
    cat >"$work/deployment.yaml" <<X
apiVersion: apps/v1
kind: Deployment
metadata: {name: forklift-validation}
spec:
  replicas: 1
  selector: {matchLabels: {a: b}}
  template: {metadata: {labels: {a: b}}, spec: {containers: [{name: c, image: x}]}}
X
    says created k create -f "$work/deployment.yaml"
    says scaled k scale deployment/forklift-validation --replicas=0
    says 0 k get deployment forklift-validation -o 'jsonpath={.spec.replicas}'
    fails xpected k scale --current-replicas=5 --replicas=2 deployment/forklift-validation
    says forklift-validation k describe deployment forklift-validation
    says deleted k delete -f "$work/deployment.yaml"
}

# What the documents that gantry follows tell their readers to type, beyond what stands above.
types_what_documents_say() {
    cat >"$work/objects.yaml" <<X
apiVersion: forklift.konveyor.io/v1beta1
kind: Hook
metadata: {name: hook}
spec: {image: quay.io/kubev2v/hook-runner, playbook: LQo=}
---
apiVersion: forklift.konveyor.io/v1beta1
kind: Plan
metadata: {name: plan}
spec:
  targetNamespace: t
  provider: {source: {name: a, namespace: b}, destination: {name: a, namespace: b}}
  map: {network: {name: a, namespace: b}, storage: {name: a, namespace: b}}
  vms: [{name: v, hooks: [{hook: {name: hook, namespace: b}, step: PreHook}]}]
---
apiVersion: v1
kind: Pod
metadata: {name: of-job, labels: {job-name: j1}}
spec: {containers: [{name: c, image: x}]}
X
    says created k apply -f - <"$work/objects.yaml"
    says LQo= k get hook hook -o 'go-template={{ .spec.playbook }}'
    says hook-runner k describe hook hook
    says PreHook k describe plan plan
    says of-job k get pods -l job-name=j1
    says of-job k describe pod of-job
    says 'second line' k logs of-job
    says sa1 k describe serviceaccount sa1
    says patched k patch plan plan --type=merge -p '{"spec":{"warm":true}}'
    says patched k patch plan plan --type=json \
        -p '[{"op":"replace","path":"/spec/targetNamespace","value":"u"}]'
    says annotated k annotate plan plan a=b
    says u k get plan plan -o 'jsonpath={.spec.targetNamespace}'
    k get plan plan -o yaml | sed 's/targetNamespace: u/targetNamespace: w/' >"$work/plan.yaml"
    says replaced k replace -f "$work/plan.yaml"
    k get jobs -w -o name >"$work/jobs" &
    watcher=$!
    wait_until 10 grep -q j1 "$work/jobs"
    kill $watcher
    says deleted k delete plans --all
    says deleted k delete pod of-job --grace-period=0 --force
    says deleted k delete hook hook
}

waits_and_watches() {
    older_than 23 || # only conditions
        says met k wait --for=jsonpath='{.spec.map[0].source.id}'=zz networkmap/nm1 --timeout=10s
    k get networkmap nm1 -w -o name >"$work/watch" &
    watcher=$!
    for i in $(seq 50); do
        k annotate --overwrite networkmap nm1 "n=$i" >/dev/null
        [ "$(wc -l <"$work/watch")" -ge 2 ] && break
    done
    kill $watcher
    [ "$(wc -l <"$work/watch")" -ge 2 ]
}

reads_logs_and_runs_commands() {
    says p1 k get pod p1
    says 'second line' k logs p1
    says 'third line' k logs -f p1
    says 'first line' k logs -l app=p
    older_than 30 && return 0 # its exec speaks SPDY only
    says hello k exec p1 -- echo hello
    says 5 sh -c "printf 12345 | timeout 30 '$kubectl' -n '$ns' exec -i p1 -- wc -c"
    fails 'exit code 7' k exec p1 -- sh -c 'exit 7'
}

deletes() {
    says deleted k delete cm c2 --cascade=foreground
    says deleted k delete job j1 --cascade=orphan
    says deleted k delete networkmap nm1
    says deleted k delete secret --all
    says deleted k delete ns "$ns" --timeout=30s
    fails 'not found' k get ns "$ns"
}

collects_what_its_owner_leaves() {
    says created k create ns "$ns"
    says created k create cm owner
    uid=$(k get cm owner -o 'jsonpath={.metadata.uid}')
    k apply -f - <<X
apiVersion: v1
kind: ConfigMap
metadata:
  name: owned
  ownerReferences: [{apiVersion: v1, kind: ConfigMap, name: owner, uid: $uid}]
X
    says deleted k delete cm owner
    wait_until 10 fails 'not found' k get cm owned
    says deleted k delete ns "$ns" --timeout=30s
}

steps="discovers creates_imperatively gets_in_every_form applies edits patches describes_and_explains
asks_for_rights looks_around scales types_what_documents_say
paths_of_this_machine_are_for_those_who_may waits_and_watches reads_logs_and_runs_commands deletes
collects_what_its_owner_leaves"
plan $(($(wc -w <<<"$steps") * $(wc -w <<<"$kubectls")))
start_server || { echo "Bail out! the server does not start"; exit 1; }
export KUBECONFIG=$work/home/kubeconfig HOME=$work
for kubectl in $kubectls; do
    version=$("$kubectl" version --client 2>/dev/null | sed -n 's/.*v\(1\.[0-9]*\).*/\1/p' | head -1)
    ns=test-${version//./-}
    for step in $steps; do
        [ "$step" != applies ] || { write_files; k apply -f "$work/pod.yaml" >/dev/null; }
        it "kubectl $version ${step//_/ }" "$step"
    done
done
