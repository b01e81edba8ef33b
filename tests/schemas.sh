#!/bin/sh
# What clients do with schemas, against a real server and with every kubectl that is there: validate,
# explain, apply in both ways, create by protobuf, and load all reference definitions.
. "$(dirname "$0")/functions.sh"
requires kubectl "the tests are what it does"

mkdir "$work/home"
export HOME="$work/home" KUBECONFIG="$work/home/kubeconfig"
"$bin/gantryd" --dir "$work/home" --no-node --no-controllers >"$work/gantryd.log" 2>&1 &
cleanup_fn kill $!
answers() { [ -f "$KUBECONFIG" ] && kubectl get --raw /readyz >/dev/null; }
wait_until 30 answers || {
    cat "$work/gantryd.log"
    echo "Bail out! gantryd does not start"
    exit 1
}

# The one in PATH, others in its folder, and Debian's.
folder=$(dirname "$(readlink -f "$(command -v kubectl)")")
kubectls=$(ls "$(command -v kubectl)" "$folder"/kubectl.1.* \
    "$source_root/.cache/kubectl-debian/usr/bin/kubectl" 2>/dev/null)

cat >"$work/one.yaml" <<'END'
apiVersion: forklift.konveyor.io/v1beta1
kind: NetworkMap
metadata: {name: nm, namespace: default}
spec:
  map:
  - destination: {type: pod}
    source: {name: VM Network}
  provider: {source: {name: a}, destination: {name: b}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: cm, namespace: default}
data: {key: one}
---
apiVersion: batch/v1
kind: Job
metadata: {name: job, namespace: default}
spec:
  template:
    spec:
      restartPolicy: Never
      topologySpreadConstraints: []
      containers: [{name: c, image: x, env: [{name: A, value: b}]}]
END
sed 's/one/two/; s/type: pod/type: ignored/' "$work/one.yaml" >"$work/two.yaml"
sed 's/source: {name: VM/sorce: {name: VM/' "$work/one.yaml" >"$work/wrong.yaml"

applies() {
    rm -rf "$HOME/.kube"
    "$1" apply -f "$work/one.yaml"
    contains "$("$1" apply -f "$work/two.yaml")" "configmap/cm configured"
    contains "$("$1" apply -f "$work/two.yaml")" "job.batch/job unchanged"
    same "$("$1" get cm cm -n default -o 'jsonpath={.data.key}')" two
    "$1" delete -f "$work/two.yaml" --wait=false
}

explains() {
    contains "$("$1" explain plan.spec.archived)" "True when the plan is over for good"
    contains "$("$1" explain pod.spec.containers.env)" "Variables of the environment"
}

edits() {
    "$1" create cm edited -n default --from-literal=key=old
    EDITOR="sed -i s/old/new/" "$1" edit cm edited -n default
    same "$("$1" get cm edited -n default -o 'jsonpath={.data.key}')" new
    "$1" delete cm edited -n default
}

# Old ones say so themselves, newer ones ask the server.
refuses_unknown_fields() {
    if "$1" create -f "$work/wrong.yaml" >"$work/out" 2>&1; then return 1; fi
    contains "$(cat "$work/out")" sorce
    "$1" delete -f "$work/one.yaml" --ignore-not-found --wait=false
}

creates_by_words() {
    "$1" create secret generic s -n default --from-literal=a=b
    same "$("$1" get secret s -n default -o 'jsonpath={.data.a}')" Yg==
    "$1" create role r -n default --verb=get --resource=pods
    "$1" create rolebinding rb -n default --role=r --serviceaccount=default:default
    "$1" create job by-words -n default --image=img -- sh -c true
    same "$("$1" auth can-i create configmaps)" yes
    "$1" delete secret/s role/r rolebinding/rb job/by-words -n default --wait=false
}

applies_on_the_server() {
    kubectl apply -f "$work/one.yaml"
    minor=$(kubectl version --client 2>/dev/null | sed -n 's/.*v1\.\([0-9]*\)\..*/\1/p' | head -n 1)
    kubectl apply --server-side -f "$work/one.yaml"
    # since 1.26 kubectl takes over what it applied as a client; before, a person has to say so
    kubectl apply --server-side $([ "$minor" -ge 26 ] || echo --force-conflicts) -f "$work/two.yaml"
    if kubectl apply --server-side --field-manager=other -f "$work/one.yaml" >"$work/out" 2>&1; then
        return 1
    fi
    contains "$(cat "$work/out")" 'conflict with "kubectl": .data.key'
    kubectl apply --server-side --field-manager=other --force-conflicts -f "$work/one.yaml"
    same "$(kubectl get cm cm -n default -o 'jsonpath={.data.key}')" one
    kubectl delete -f "$work/one.yaml" --wait=false
}

loads_all_reference_definitions() {
    [ -d "$shared_dir/crds" ] || skip "no shared reference data beside the project"
    for definitions in kubevirt cdi mtc velero; do
        kubectl create -f "$shared_dir/crds/$definitions" >"$work/out" 2>&1 || true
        if grep -v 'created$' "$work/out" | grep -v AlreadyExists; then return 1; fi
    done
    kubectl replace -f "$shared_dir/crds/forklift"
    kubectl wait --for=condition=Established --timeout=10s crd/migplans.migration.openshift.io
    contains "$(kubectl explain migplan.spec)" migplan
    kubectl get backups.velero.io -A
}

plan $((5 * $(echo "$kubectls" | wc -l) + 2))
for kubectl in $kubectls; do
    version=$("$kubectl" version --client 2>/dev/null | sed -n 's/.*v\(1\.[0-9]*\)\..*/\1/p' | head -n 1)
    it "kubectl $version applies" applies "$kubectl"
    it "kubectl $version explains" explains "$kubectl"
    it "kubectl $version edits" edits "$kubectl"
    it "kubectl $version refuses unknown fields" refuses_unknown_fields "$kubectl"
    it "kubectl $version creates by words" creates_by_words "$kubectl"
done
it "applies on the server and finds conflicts" applies_on_the_server
it "loads all reference definitions" loads_all_reference_definitions
finish
