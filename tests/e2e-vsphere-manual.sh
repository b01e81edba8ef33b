#!/bin/sh
# The manifests and commands of Forklift's manual for vSphere, with its fields in its order: Secret, Provider,
# Host, maps, Plan, Migration with a cutover, a cancel of some machines, and the curl recipes.
. "$(dirname "$0")/functions.sh"
. "$(dirname "$0")/e2e/home.sh"
. "$(dirname "$0")/e2e/vcenter.sh"
home_requires
requires openssl "the fake vCenter needs a certificate"
requires curl "the manual asks the inventory with it"
export PRECOPY_INTERVAL=2s GUEST_SHUTDOWN_TIMEOUT=3s
home_up
nic=nic=VirtualVmxnet3
vcenter_up --task-ms 50 --shutdown-ms 100 \
    --machine "name=first,disk=4Mi,memory=64,$nic" --machine "name=second,disk=4Mi,memory=64,$nic" \
    --machine "name=third,disk=4Mi,memory=64,$nic" --machine "name=fourth,disk=4Mi,memory=64,$nic"
vsphere_provider vc >/dev/null
server=$(kubectl config view -o 'jsonpath={.clusters[0].cluster.server}')

is_ready() {
    wait_until 60 has_condition "$1" "$2" Ready || {
        conditions "$1" "$2"
        return 1
    }
}

# A token of a service account that may read, as "oc whoami -t" gives one.
token() {
    kubectl create serviceaccount reader -n $NS >/dev/null 2>&1
    kubectl create clusterrolebinding reader --clusterrole=cluster-admin \
        --serviceaccount=$NS:reader >/dev/null 2>&1
    kubectl create token reader -n $NS
}

# the recipes' curl
ask() {
    curl -sS --fail -H "Authorization: Bearer $TOKEN" "$server$1" -k
}

field() {
    python3 -c "import json, sys; print(json.load(sys.stdin)$1)"
}

answers_the_recipes_for_morefs_and_workloads() {
    is_ready provider vc
    TOKEN=$(token)
    same "$(ask /providers | field "['vsphere'][0]['name']")" vc
    uid=$(ask /providers/vsphere | field "[0]['uid']")
    same "$(ask "/providers/vsphere/$uid/datastores/" | field "[0]['id']")" datastore-1
    contains "$(ask "/providers/vsphere/$uid/networks/")" network-1
    contains "$(ask "/providers/vsphere/$uid/hosts")" host-1
    contains "$(ask "/providers/vsphere/$uid/vms")" '"/DC/vm/first"'
    same "$(ask "/providers/vsphere/$uid/workloads/$(vc_id first)" | field "['name']")" first
    same "$(ask "/providers/vsphere/$uid/workloads/$(vc_id first)" | field "['selfLink']")" \
        "providers/vsphere/$uid/workloads/$(vc_id first)"
    ! curl -sS --fail "$server/providers/vsphere/$uid/vms" -k
}

takes_host_and_maps() {
    kubectl apply -f - <<EOM
apiVersion: v1
kind: Namespace
metadata: {name: target}
---
apiVersion: k8s.cni.cncf.io/v1
kind: NetworkAttachmentDefinition
metadata: {name: lan, namespace: target}
spec: {config: '{"cniVersion": "0.3.1", "name": "lan", "type": "bridge"}'}
---
apiVersion: forklift.konveyor.io/v1beta1
kind: Host
metadata:
  name: esx1
  namespace: $NS
spec:
  provider:
    namespace: $NS
    name: vc
  id: host-1
  ipAddress: 127.0.0.1
---
apiVersion: forklift.konveyor.io/v1beta1
kind: NetworkMap
metadata:
  name: networks
  namespace: $NS
spec:
  map:
    - destination:
        name: pod
        type: pod
      source:
        id: network-1
        name: VM Network
  provider:
    source:
      name: vc
      namespace: $NS
    destination:
      name: host
      namespace: $NS
---
apiVersion: forklift.konveyor.io/v1beta1
kind: StorageMap
metadata:
  name: storages
  namespace: $NS
spec:
  map:
    - destination:
        storageClass: standard
        accessMode: ReadWriteOnce
      source:
        id: datastore-1
    - destination:
        storageClass: standard
        accessMode: ReadWriteOnce
      source:
        id: datastore-2
  provider:
    source:
      name: vc
      namespace: $NS
    destination:
      name: host
      namespace: $NS
EOM
    is_ready networkmap networks
    is_ready storagemap storages
    kubectl delete host esx1 -n $NS # the fake's host is no server of its own
}

# manual_plan NAME WARM VMS: with every field that the manual's example has
manual_plan() {
    kubectl apply -f - <<EOM
apiVersion: forklift.konveyor.io/v1beta1
kind: Plan
metadata:
  name: $1
  namespace: $NS
spec:
  warm: $2
  provider:
    source:
      name: vc
      namespace: $NS
    destination:
      name: host
      namespace: $NS
  map:
    network:
      name: networks
      namespace: $NS
    storage:
      name: storages
      namespace: $NS
  preserveStaticIPs: true
  networkNameTemplate: "net-{{.NetworkIndex}}"
  pvcNameTemplate: "{{.VmName}}-disk-{{.DiskIndex}}"
  pvcNameTemplateUseGenerateName: true
  skipGuestConversion: true
  targetAffinity:
    podAffinity:
      preferredDuringSchedulingIgnoredDuringExecution:
        - weight: 1
          podAffinityTerm:
            topologyKey: kubernetes.io/hostname
            labelSelector: {matchLabels: {app: db}}
  targetLabels:
    label: test1
  targetNodeSelector:
    kubernetes.io/os: linux
  targetNamespace: target
  convertorLabels:
    label: test1
  useCompatibilityMode: true
  volumeNameTemplate: "disk-{{.VolumeIndex}}"
  vms: $3
EOM
}

moves_cold_with_templates() {
    manual_plan cold false "[{id: $(vc_id first)}, {name: second, targetName: two, volumeNameTemplate: 'v-{{.VolumeIndex}}'}]"
    is_ready plan cold
    migrate cold
    ends cold Succeeded 120
    template='{.spec.template.spec.domain.devices.interfaces[0].name} {.spec.template.spec.volumes[0].name}'
    same "$(kubectl get vm first -n target -o "jsonpath=$template")" "net-0 disk-0"
    same "$(kubectl get vm two -n target -o "jsonpath=$template")" "net-0 v-0"
    contains "$(kubectl get pvc -n target -o name)" persistentvolumeclaim/first-disk-0-
    same "$(kubectl get vm first -n target -o 'jsonpath={.spec.template.metadata.labels.label}')" test1
}

moves_warm_with_a_cutover_and_cancels_one() {
    manual_plan warm true '[{name: third}, {name: fourth}]'
    is_ready plan warm
    kubectl apply -f - <<EOM
apiVersion: forklift.konveyor.io/v1beta1
kind: Migration
metadata:
  name: warm
  namespace: $NS
spec:
  plan:
    name: warm
    namespace: $NS
  cutover: $(TZ=UTC-9 date -d '+6 sec' +%Y-%m-%dT%H:%M:%S.678+09:00)
EOM
    kubectl patch migration warm -n $NS --type merge -p "{\"spec\":{\"cancel\":[{\"id\":\"$(vc_id fourth)\"}]}}"
    ends warm Succeeded 120
    same "$(kubectl get vm -n target -o name | grep -c third)" 1
    same "$(kubectl get vm -n target -o name | grep -c fourth)" 0
    same "$(vc_state third on) $(vc_state fourth on)" "false true"
    same "$(vc_state third snapshots) $(vc_state fourth snapshots)" "0 0"
}

plan 4
it "answers the recipes for moRefs and workloads" answers_the_recipes_for_morefs_and_workloads
it "takes host and maps" takes_host_and_maps
it "moves machines cold, with templates" moves_cold_with_templates
it "moves machines warm, with a cutover; one is canceled" moves_warm_with_a_cutover_and_cancels_one
finish
