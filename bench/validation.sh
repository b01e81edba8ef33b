#!/bin/bash
# bench/validation.sh: judging an inventory from cold by a gantry at home: how long it takes and how
# much memory it adds.  MACHINES (10000) are those of a fake vCenter; they are read first, with
# validation switched off by its knob, so that only judging is measured.
set -eu
BUILD=${1:-$BUILD}
machines=${MACHINES:-10000}
ns=konveyor-forklift
work=$(mktemp -d "${TMPDIR:-/tmp}/gantry-bench.XXXXXX")
clean_up() {
    "$BUILD/src/main/gantry" down --all --dir "$work/home" >/dev/null 2>&1 || true
    [ -z "${fake:-}" ] || kill "$fake" 2>/dev/null || true
    rm -rf "$work"
}
trap clean_up EXIT

openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1 \
    -addext subjectAltName=IP:127.0.0.1 -keyout "$work/key.pem" -out "$work/cert.pem" 2>/dev/null
mkfifo "$work/stdin"
"$BUILD/tests/fake-vcenter" --machines "$machines" --cert "$work/cert.pem" \
    --key "$work/key.pem" <"$work/stdin" >"$work/vcenter" 2>"$work/vcenter.log" &
fake=$!
exec 9>"$work/stdin"
until [ -s "$work/vcenter" ]; do sleep 0.1; done
url=$(sed -n 1p "$work/vcenter") user=$(sed -n 2p "$work/vcenter")
password=$(sed -n 3p "$work/vcenter")

"$BUILD/src/main/gantry" up --dir "$work/home" >/dev/null
export KUBECONFIG=$work/home/kubeconfig
pid=$(pgrep -f "gantryd .*--dir $work/home")
rss() {
    awk '/VmRSS/ {print $2}' "/proc/$pid/status"
}
switch() {
    kubectl apply -f - >/dev/null <<YAML
apiVersion: forklift.konveyor.io/v1beta1
kind: ForkliftController
metadata: {name: forklift-controller, namespace: $ns}
spec: {feature_validation: "$1"}
YAML
}
switch false
sleep 6 # the knob is looked at every five seconds
kubectl create secret generic vc -n $ns --from-literal=url="$url" --from-literal=user="$user" \
    --from-literal=password="$password" --from-literal=insecureSkipVerify=true >/dev/null
kubectl apply -f - >/dev/null <<YAML
apiVersion: forklift.konveyor.io/v1beta1
kind: Provider
metadata: {name: vc, namespace: $ns}
spec: {type: vsphere, url: "$url", secret: {name: vc, namespace: $ns}}
YAML
for _ in $(seq 1200); do
    [ "$(kubectl get provider vc -n $ns -o \
        'jsonpath={.status.conditions[?(@.type=="InventoryCreated")].status}')" = True ] && break
    sleep 0.1
done
sleep 2
before=$(rss)
switch true
for _ in $(seq 600); do
    line=$(grep -F 'machines validated: provider=konveyor-forklift/vc' "$work/home/gantryd.log" ||
        true)
    [ -z "$line" ] || break
    sleep 0.1
done
after=$(rss)
echo "${line##*gantry/validation: }"
echo "rss before kB=$before after kB=$after grown kB=$((after - before))"
