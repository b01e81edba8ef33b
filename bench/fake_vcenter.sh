# What the measurements of a vCenter's inventory share, to be sourced by bash: a vCenter of the tests'
# own, a gantry at home and a provider.  $BUILD and $work are set before.
#
#     start_vcenter MACHINES     sets $url, $user, $password and $fake
#     start_home                 sets $pid, and $KUBECONFIG for kubectl
#     set_validation true|false
#     add_provider               called vc
#     wait_for_inventory
ns=konveyor-forklift

clean_up() {
    "$BUILD/src/main/gantry" down --all --dir "$work/home" >/dev/null 2>&1 || true
    [ -z "${fake:-}" ] || kill "$fake" 2>/dev/null || true
    rm -rf "$work"
}

start_vcenter() {
    openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1 \
        -addext subjectAltName=IP:127.0.0.1 -keyout "$work/key.pem" -out "$work/cert.pem" 2>/dev/null
    mkfifo "$work/stdin"
    "$BUILD/tests/fake-vcenter" --machines "$1" --cert "$work/cert.pem" \
        --key "$work/key.pem" <"$work/stdin" >"$work/vcenter" 2>"$work/vcenter.log" &
    fake=$!
    exec 9>"$work/stdin"
    until [ -s "$work/vcenter" ]; do sleep 0.1; done
    url=$(sed -n 1p "$work/vcenter") user=$(sed -n 2p "$work/vcenter")
    password=$(sed -n 3p "$work/vcenter")
}

start_home() {
    "$BUILD/src/main/gantry" up --dir "$work/home" >/dev/null
    export KUBECONFIG=$work/home/kubeconfig
    pid=$(pgrep -f "gantryd .*--dir $work/home")
}

memory_kib() {
    awk '/VmRSS/ {print $2}' "/proc/$pid/status"
}

cpu_ms() {
    awk '{print ($14 + $15) * 10}' "/proc/$pid/stat"
}

set_validation() {
    kubectl apply -f - >/dev/null <<YAML
apiVersion: forklift.konveyor.io/v1beta1
kind: ForkliftController
metadata: {name: forklift-controller, namespace: $ns}
spec: {feature_validation: "$1"}
YAML
}

add_provider() {
    kubectl create secret generic vc -n $ns --from-literal=url="$url" --from-literal=user="$user" \
        --from-literal=password="$password" --from-literal=insecureSkipVerify=true >/dev/null
    kubectl apply -f - >/dev/null <<YAML
apiVersion: forklift.konveyor.io/v1beta1
kind: Provider
metadata: {name: vc, namespace: $ns}
spec: {type: vsphere, url: "$url", secret: {name: vc, namespace: $ns}}
YAML
}

wait_for_inventory() {
    for _ in $(seq 1200); do
        [ "$(kubectl get provider vc -n $ns -o \
            'jsonpath={.status.conditions[?(@.type=="InventoryCreated")].status}')" = True ] && return
        sleep 0.1
    done
    echo "the inventory has not come after two minutes" >&2
    return 1
}
