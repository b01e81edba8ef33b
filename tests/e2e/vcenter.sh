# A fake vCenter beside the gantry of e2e/home.sh, and the manifests that go with it.
#
#     vcenter_up --machine name=web,disk=16Mi ...
#
# $vc_url is its SDK, $vc_base what control requests go to (tests/fakes/vcenter/control.c).
vc_user=administrator@vsphere.local
vc_password='a<b&c"d'

# vcenter_up ARGUMENT...: over TLS, with a certificate of its own ($work/vc.crt)
vcenter_up() {
    [ -f "$work/vc.crt" ] || openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 \
        -nodes -keyout "$work/vc.key" -out "$work/vc.crt" -days 2 -subj /CN=127.0.0.1 \
        -addext subjectAltName=IP:127.0.0.1 2>/dev/null
    mkdir -p "$work/datastore"
    mkfifo "$work/vc.in"
    "$BUILD/tests/fake-vcenter" --cert "$work/vc.crt" --key "$work/vc.key" --dir "$work/datastore" \
        "$@" <"$work/vc.in" >"$work/vc.out" 2>"$work/vc.err" &
    vc_pid=$!
    exec 9>"$work/vc.in"
    cleanup_fn kill $vc_pid
    wait_until 20 has_lines "$work/vc.out" 3 || {
        cat "$work/vc.err"
        echo "Bail out! the fake vCenter does not start"
        exit 1
    }
    vc_url=$(head -n 1 "$work/vc.out")
    vc_base=${vc_url%/sdk}
}

has_lines() {
    [ "$(wc -l <"$1")" -ge "$2" ]
}

# vc PATH: a control request, as in vc "write?vm=web&disk=0&percent=10"
vc() {
    curl -sS --fail --cacert "$work/vc.crt" "$vc_base/fake/$1"
}

# vc_state VM KEY: on, snapshots (how many), ...
vc_state() {
    vc state | python3 -c '
import json, sys
value = json.load(sys.stdin)["machines"][sys.argv[1]][sys.argv[2]]
print(len(value) if isinstance(value, list) else str(value).lower())' "$1" "$2"
}

vc_id() {
    vc_state "$1" id
}

vc_served() {
    vc state | python3 -c 'import json, sys; print(json.load(sys.stdin)["served"])'
}

indent() {
    sed "s/^/    /"
}

# vsphere_provider NAME [SETTINGS]: Secret and Provider as Forklift's manual has them
vsphere_provider() {
    kubectl apply -f - <<EOM
apiVersion: v1
kind: Secret
metadata:
  name: $1
  namespace: $NS
  labels:
    createdForProviderType: vsphere
    createdForResourceType: providers
type: Opaque
stringData:
  user: $vc_user
  password: '$vc_password'
  insecureSkipVerify: "false"
  cacert: |
$(indent <"$work/vc.crt")
  url: $vc_url
---
apiVersion: forklift.konveyor.io/v1beta1
kind: Provider
metadata:
  name: $1
  namespace: $NS
spec:
  type: vsphere
  url: $vc_url
  settings: ${2:-{sdkEndpoint: vcenter\}}
  secret:
    name: $1
    namespace: $NS
EOM
}

# vsphere_maps PROVIDER: by moRef
vsphere_maps() {
    kubectl apply -f - <<EOM
apiVersion: forklift.konveyor.io/v1beta1
kind: NetworkMap
metadata: {name: $1, namespace: $NS}
spec:
  map:
  - destination: {type: pod}
    source: {id: network-1}
  provider: $(pair "$1")
---
apiVersion: forklift.konveyor.io/v1beta1
kind: StorageMap
metadata: {name: $1, namespace: $NS}
spec:
  map:
  - destination: {storageClass: standard, accessMode: ReadWriteOnce}
    source: {id: datastore-1}
  - destination: {storageClass: standard, accessMode: ReadWriteOnce}
    source: {id: datastore-2}
  provider: $(pair "$1")
EOM
}

# vm_status PLAN JSONPATH: of its first VM
vm_status() {
    kubectl get plan "$1" -n $NS -o "jsonpath={.status.migration.vms[0]$2}"
}

# vm_is PLAN PHASE
vm_is() {
    [ "$(vm_status "$1" .phase)" = "$2" ]
}

# precopies PLAN: how many copies came to their end
precopies() {
    vm_status "$1" '.warm.successes'
}

has_precopies() {
    [ "$(precopies "$1")" -ge "$2" ] 2>/dev/null
}

# cutover MIGRATION [WHEN]
cutover() {
    kubectl patch migration "$1" -n $NS --type merge \
        -p "{\"spec\":{\"cutover\":\"${2:-$(date -u -d '-1 min' +%Y-%m-%dT%H:%M:%SZ)}\"}}"
}

# source_disk VM [N]: the file that has the disk's bytes once no snapshot is left
source_disk() {
    [ "${2:-0}" = 0 ] && echo "$work/datastore/$1/$1-flat.vmdk" ||
        echo "$work/datastore/$1/$1_$2-flat.vmdk"
}

# helpers NAMESPACE: how many Secrets and ConfigMaps of migrations there are
helpers() {
    kubectl get configmaps,secrets -n "$1" -l resource=vm-config -o name | wc -l
}
