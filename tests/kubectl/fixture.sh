# What the rows find in their namespace: written by write_files, sent by set_up.

pair='{name: a, namespace: b}'

write_files() {
    cat >"$work/fixture.yaml" <<X
apiVersion: v1
kind: ConfigMap
metadata: {name: a, labels: {tier: one}}
data: {x: "1"}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: b, labels: {tier: two}}
data: {x: "2"}
---
apiVersion: forklift.konveyor.io/v1beta1
kind: NetworkMap
metadata: {name: nm}
spec:
  map: [{source: {id: x}, destination: {type: pod}}]
  provider: {source: $pair, destination: $pair}
---
apiVersion: v1
kind: Pod
metadata: {name: pod, labels: {app: p}}
spec: {containers: [{name: c, image: x}]}
---
apiVersion: batch/v1
kind: Job
metadata: {name: job}
spec: {template: {spec: {restartPolicy: Never, containers: [{name: c, image: x}]}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: forklift-validation}
spec:
  replicas: 1
  selector: {matchLabels: {a: b}}
  template: {metadata: {labels: {a: b}}, spec: {containers: [{name: c, image: x}]}}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: sa}
X
}

# config_map NAME DATA: one as YAML
config_map() {
    printf 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: %s}\ndata: {%s}\n' "$1" "$2"
}

# A Pod that belongs to the Job, as a controller would make it.
pod_of_job() {
    uid=$(k get job job -o 'jsonpath={.metadata.uid}')
    printf 'apiVersion: v1\nkind: Pod\nmetadata: {name: of-job, labels: {%s}}\n' \
        "job-name: job, controller-uid: $uid, batch.kubernetes.io/controller-uid: $uid"
    echo 'spec: {containers: [{name: c, image: x}]}'
}

# Something that happened to the NetworkMap; who describes that asks for events by its uid.
event_of_map() {
    uid=$(k get networkmap nm -o 'jsonpath={.metadata.uid}')
    cat <<X
apiVersion: v1
kind: Event
metadata: {name: nm.1}
involvedObject: {apiVersion: forklift.konveyor.io/v1beta1, kind: NetworkMap, name: nm, namespace: $ns, uid: $uid}
type: Warning
reason: Seen
message: somebody looked
X
}

set_up() {
    write_files
    says created k create -f "$work/fixture.yaml"
    pod_of_job | says created k create -f -
    event_of_map | says created k create -f -
}
