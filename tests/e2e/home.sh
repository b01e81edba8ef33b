# What the end-to-end tests share: a gantry at home in $work/home, OVAs in folders, objects, waits.
#
#     . "$(dirname "$0")/../functions.sh"
#     . "$(dirname "$0")/e2e/home.sh"     (from the tests' folder)
#     home_up
#
# kubectl talks to that home; everything lives in the namespace of the controllers.
NS=konveyor-forklift
make_guest=$source_root/tests/make-guest
make_ova=$source_root/tests/make-ova

home_requires() {
    requires_root
    requires kubectl "tests talk to the API with it"
    requires qemu-img "tests make images with it"
    requires python3 "tests make OVAs with it"
    requires bwrap "pods run in it"
}

home_up() {
    ASAN_OPTIONS=detect_leaks=0 "$bin/gantry" up --dir "$work/home" >"$work/up.log" 2>&1 || {
        sed 's/^/# /' "$work/up.log" "$work/home/gantryd.log"
        echo "Bail out! gantry does not start"
        exit 1
    }
    export KUBECONFIG="$work/home/kubeconfig"
    cleanup_fn "$bin/gantry" down --all --dir "$work/home"
}

# ova FOLDER NAME DISKS [OPTION...]: an OVA of small disks with random data, old enough to be read.
ova() {
    ova_folder=$1 ova_name=$2 ova_disks=$3
    shift 3
    mkdir -p "$ova_folder"
    ova_args=
    for ova_i in $(seq "$ova_disks"); do
        ova_raw=$work/$ova_name-$ova_i.raw
        truncate -s 4M "$ova_raw"
        head -c 300000 /dev/urandom | dd of="$ova_raw" bs=64k seek=3 conv=notrunc status=none
        ova_args="$ova_args --disk $ova_raw"
    done
    # shellcheck disable=SC2086
    "$make_ova" --name "$ova_name" --uuid $ova_args "$@" "$ova_folder/$ova_name.ova"
    touch -d '-2 min' "$ova_folder/$ova_name.ova"
}

# provider NAME URL
provider() {
    kubectl apply -f - <<EOF
apiVersion: v1
kind: Secret
metadata:
  name: $1
  namespace: $NS
  labels: {createdForProviderType: ova, createdForResourceType: providers}
stringData:
  url: $2
---
apiVersion: forklift.konveyor.io/v1beta1
kind: Provider
metadata: {name: $1, namespace: $NS}
spec:
  type: ova
  url: $2
  secret: {name: $1, namespace: $NS}
EOF
}

pair() {
    echo "{source: {name: $1, namespace: $NS}, destination: {name: host, namespace: $NS}}"
}

# maps PROVIDER: all disks to the standard class, "VM Network" to the pod network.
maps() {
    kubectl apply -f - <<EOF
apiVersion: forklift.konveyor.io/v1beta1
kind: NetworkMap
metadata: {name: $1, namespace: $NS}
spec:
  provider: $(pair "$1")
  map:
  - source: {name: VM Network}
    destination: {type: pod}
---
apiVersion: forklift.konveyor.io/v1beta1
kind: StorageMap
metadata: {name: $1, namespace: $NS}
spec:
  provider: $(pair "$1")
  map:
  - source: {name: Dummy storage for source provider $1}
    destination: {storageClass: standard}
EOF
}

# new_plan NAME PROVIDER VMS [FIELDS]: VMS and FIELDS in YAML's flow style, a raw copy, powered off.
new_plan() {
    kubectl apply -f - <<EOF
apiVersion: forklift.konveyor.io/v1beta1
kind: Plan
metadata: {name: $1, namespace: $NS}
spec:
  provider: $(pair "$2")
  map: {network: {name: $2, namespace: $NS}, storage: {name: $2, namespace: $NS}}
  targetNamespace: to-$1
  skipGuestConversion: true
  vms: $3
  ${4:-description: a test}
EOF
}

# hook NAME PLAYBOOK_FILE [FIELDS]
hook() {
    kubectl apply -f - <<EOF
apiVersion: forklift.konveyor.io/v1beta1
kind: Hook
metadata: {name: $1, namespace: $NS}
spec:
  image: quay.io/kubev2v/hook-runner
  playbook: $(base64 -w0 "$2")
  ${3:-deadline: 60}
EOF
}

# use_hook STEP NAME: what a VM of a plan says
use_hook() {
    echo "hooks: [{step: $1, hook: {name: $2, namespace: $NS}}]"
}

migrate() {
    kubectl apply -f - <<EOF
apiVersion: forklift.konveyor.io/v1beta1
kind: Migration
metadata: {name: $1, namespace: $NS}
spec:
  plan: {name: ${2:-$1}, namespace: $NS}
EOF
}

# condition KIND NAME TYPE: its status ("True"), or nothing
condition() {
    kubectl get "$1" "$2" -n $NS -o "jsonpath={.status.conditions[?(@.type=='$3')].status}"
}

has_condition() {
    [ "$(condition "$@")" = True ]
}

# The whole of an object's conditions as text.
conditions() {
    kubectl get "$1" "$2" -n $NS -o 'jsonpath={.status.conditions}'
}

is_over() {
    [ -n "$(kubectl get migration "$1" -n $NS -o jsonpath={.status.completed} 2>/dev/null)" ]
}

# ends MIGRATION HOW SECONDS: waits for its end and checks it (Succeeded, Failed, Canceled).
ends() {
    wait_until "${3:-60}" is_over "$1"
    has_condition migration "$1" "$2" || {
        kubectl get migration "$1" -n $NS -o yaml
        return 1
    }
}

# vm_error PLAN: why its VMs failed
vm_error() {
    kubectl get plan "$1" -n $NS -o 'jsonpath={.status.migration.vms[*].error.reasons}'
}

# processes PATTERN: of the sandboxes of this home whose command line matches; other tests have theirs
processes() {
    for process_id in $(pgrep -f "$1"); do
        ! grep -qs "${work##*/}" "/proc/$process_id/mountinfo" || echo "$process_id"
    done
}

process_runs() {
    [ -n "$(processes "$1")" ]
}

no_process() {
    [ -z "$(processes "$1")" ]
}

count() {
    kubectl get "$1" -n "$2" -o name 2>/dev/null | wc -l
}

# target_is_empty PLAN: nothing of its VMs is left there
target_is_empty() {
    for empty_kind in pvc pods vm vmi; do
        same "$empty_kind $(count "$empty_kind" "to-$1")" "$empty_kind 0" || return 1
    done
}

# disk_of NAMESPACE VM INDEX: the path of a target disk
disk_of() {
    disk_claim=$(kubectl get vm "$2" -n "$1" \
        -o "jsonpath={.spec.template.spec.volumes[$3].persistentVolumeClaim.claimName}")
    disk_volume=$(kubectl get pvc "$disk_claim" -n "$1" -o 'jsonpath={.spec.volumeName}')
    echo "$(kubectl get pv "$disk_volume" -o 'jsonpath={.spec.hostPath.path}')/disk.img"
}

sum() {
    sha256sum <"$1"
}
