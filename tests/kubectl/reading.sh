# Rows of doc/kubectl.md that only read.

api_resources() {
    says networkmaps k api-resources
    says networkmaps.forklift.konveyor.io k api-resources --api-group=forklift.konveyor.io -o name
    says deletecollection k api-resources --namespaced=true -o wide
    says cm k api-resources --verbs=list
}

api_versions() {
    says forklift.konveyor.io/v1beta1 k api-versions
    says apiextensions.k8s.io/v1 k api-versions
}

version_of_both() {
    says 1.32 k version
    says '"minor": "32"' k version -o json
}

config_view() {
    says 'server: https://' k config view
    says 'name: gantry' k config view --minify
    same "$(k config current-context)" gantry
}

cluster_info_dump() {
    says 'is running at' k cluster-info
    k cluster-info dump --namespaces "$ns" -o json >"$work/dump"
    for kind in NodeList PodList EventList ReplicationControllerList ServiceList DaemonSetList \
        DeploymentList ReplicaSetList; do
        grep -q "\"kind\": \"$kind\"" "$work/dump" || fail "no $kind"
    done
    grep -q '"name": "pod"' "$work/dump"
    grep -q 'second line' "$work/dump" # of the pod's log
    k cluster-info dump --namespaces "$ns" --output-directory "$work/dump-$ns"
    grep -q 'second line' "$work/dump-$ns/$ns/pod/logs.txt"
}

get_raw() {
    same "$(k get --raw /readyz)" ok
    says '"kind":"ConfigMapList"' k get --raw "/api/v1/namespaces/$ns/configmaps?limit=1"
    says apiserver_request_total k get --raw /metrics
    fails 'could not find' k get --raw /nothing
}

get_table() {
    says DATA k get cm a
    says 'one' k get cm -L tier
    says tier=two k get cm --show-labels
    ! k get cm --no-headers | grep DATA
    says networkmap.forklift.konveyor.io/nm k get networkmap,cm
    says deployment.apps/forklift-validation k get all
    says 'READY' k get pods
    fails 'configmaps "none" not found' k get cm none
    same "$(k get cm none --ignore-not-found)" ''
    k get cm --chunk-size=1 -o name | grep -q configmap/b
}

get_wide() { says CONTAINERS k get jobs -o wide; }
get_yaml() { says 'tier: one' k get cm a -o yaml; }

get_json() {
    same "$(k get cm a -o json | jq -r .data.x)" 1
    says '"kind": "List"' k get cm,secrets -o json
}

get_name() { same "$(k get cm/a networkmap/nm -o name)" "configmap/a
networkmap.forklift.konveyor.io/nm"; }

get_jsonpath() {
    same "$(k get cm a -o 'jsonpath={.metadata.labels.tier}')" one
    same "$(k get cm -l tier -o 'jsonpath={range .items[*]}{.metadata.name},{end}')" a,b,
    printf '{.data.x}' >"$work/path"
    same "$(k get cm a -o "jsonpath-file=$work/path")" 1
}

get_jsonpath_as_json() { same "$(k get cm a -o 'jsonpath-as-json={.data.x}' | jq -r '.[0]')" 1; }

get_go_template() {
    same "$(k get cm a -o 'go-template={{ .data.x }}')" 1
    same "$(k get cm a --template '{{range $k, $v := .data}}{{$k}}{{end}}')" x
    printf '{{.kind}}' >"$work/template"
    same "$(k get cm a -o "go-template-file=$work/template")" ConfigMap
}

get_custom_columns() {
    same "$(k get cm a --no-headers -o 'custom-columns=N:.metadata.name,X:.data.x' | xargs)" 'a 1'
    printf 'N\n.metadata.name\n' >"$work/columns"
    says b k get cm b -o "custom-columns-file=$work/columns"
}

get_selected() {
    same "$(k get cm -l tier=one -o name)" configmap/a
    same "$(k get cm -l 'tier in (two)' -o name)" configmap/b
    same "$(k get cm -l 'tier,tier!=two' -o name)" configmap/a
    same "$(k get cm --field-selector metadata.name=b -o name)" configmap/b
    same "$(k get pods --field-selector status.phase=Pending,metadata.name=pod -o name)" pod/pod
    same "$(k get cm -l tier --sort-by=.data.x -o name | xargs)" 'configmap/a configmap/b'
    says kube-root-ca.crt k get cm -A
    says nm k get -f "$work/fixture.yaml"
    fails 'field label not supported' k get networkmaps --field-selector spec.x=y
}

# watched RESOURCE COUNT: that many watches of it are open
watched() {
    k get --raw /metrics |
        grep -q "^apiserver_longrunning_requests{.*resource=\"$1\".*verb=\"WATCH\".*} $2\$"
}

# follows OUT COMMAND...: what the command prints goes to the file until it is asked to end
follows() {
    out=$1
    shift
    timeout 60 "$@" >"$out" 2>&1 &
    follower=$!
}

get_watch() {
    k create cm watched-1 >/dev/null
    follows "$work/watch" "$kubectl" -n "$ns" get cm -l '!tier' -w -o name
    wait_until 20 grep -q watched-1 "$work/watch"
    k create cm watched-2 >/dev/null
    wait_until 20 grep -q watched-2 "$work/watch"
    kill $follower
    wait_until 20 watched configmaps 0
    follows "$work/watch" "$kubectl" -n "$ns" get cm watched-1 -w --output-watch-events
    wait_until 20 grep -q 'ADDED.*watched-1' "$work/watch"
    k label cm watched-1 q=w >/dev/null
    wait_until 20 grep -q 'MODIFIED.*watched-1' "$work/watch"
    k delete cm watched-1 watched-2 >/dev/null
    wait_until 20 grep -q 'DELETED.*watched-1' "$work/watch"
    kill $follower
    ! grep -q watched-2 "$work/watch"
    wait_until 20 watched configmaps 0
    follows "$work/watch" "$kubectl" -n "$ns" get cm a --watch-only -o 'jsonpath={.data.x} '
    wait_until 20 watched configmaps 1
    k patch cm a --type=merge -p '{"data":{"x":"9"}}' >/dev/null
    wait_until 20 grep -q 9 "$work/watch"
    kill $follower
    same "$(cat "$work/watch")" '9 '
    k patch cm a --type=merge -p '{"data":{"x":"1"}}' >/dev/null
}

describes() {
    says 'Seen' k describe networkmap nm
    says 'Id:' k describe networkmap nm
    says 'x:' k describe cm a
    says 'Pods Statuses' k describe job job
    says 'Image:' k describe pod pod
    says 'Tokens:' k describe sa sa
    says Active k describe ns "$ns"
    says 'RollingUpdateStrategy' k describe deployment forklift-validation
    says 'Established' k describe crd plans.forklift.konveyor.io
}

lists_events() {
    says 'somebody looked' k events --for networkmap/nm
    says 'somebody looked' k get events
}

explains() {
    says destination k explain networkmap.spec.map
    says 'FIELD' k explain plan.spec.warm
    says imagePullPolicy k explain pod.spec.containers
    says 'minReadySeconds' k explain deployment --recursive
    fails 'does not exist' k explain plan.spec.nothing
}

waits() {
    says met k wait --for=condition=Established crd/plans.forklift.konveyor.io --timeout=20s
    fails 'timed out' k wait --for=condition=Complete job/job --timeout=1s
    k create cm short-lived >/dev/null
    follows "$work/waited" "$kubectl" -n "$ns" wait --for=delete cm/short-lived --timeout=20s
    wait_until 20 watched configmaps 1
    k delete cm short-lived >/dev/null
    wait $follower || fail "$(cat "$work/waited")"
}

waits_for_jsonpath() {
    says met k wait --for=jsonpath='{.spec.map[0].source.id}'=x networkmap/nm --timeout=20s
}

waits_for_creation() {
    follows "$work/waited" "$kubectl" -n "$ns" wait --for=create cm/awaited --timeout=20s
    k create cm awaited >/dev/null
    wait $follower || fail "$(cat "$work/waited")"
    k delete cm awaited >/dev/null
}

reading_rows() {
    row 'api-resources' api_resources
    row 'api-versions' api_versions
    row 'version' version_of_both
    row 'config view' config_view
    row 'cluster-info, cluster-info dump of a namespace' cluster_info_dump
    row 'get --raw' get_raw
    row 'get: table, columns of labels, several kinds, all, in pieces' get_table
    row 'get -o wide' get_wide
    row 'get -o yaml' get_yaml
    row 'get -o json' get_json
    row 'get -o name' get_name
    row 'get -o jsonpath, jsonpath-file' get_jsonpath
    row 'get -o jsonpath-as-json' get_jsonpath_as_json
    row 'get -o go-template, go-template-file, --template' get_go_template
    row 'get -o custom-columns, custom-columns-file' get_custom_columns
    row 'get -l, --field-selector, --sort-by, -A, -f' get_selected
    row 'get -w, --watch-only, --output-watch-events' get_watch
    row 'describe' describes
    row_since 26 'events' lists_events
    row 'explain' explains
    row 'wait --for=condition, --for=delete' waits
    row_since 23 'wait --for=jsonpath' waits_for_jsonpath
    row_since 31 'wait --for=create' waits_for_creation
}
