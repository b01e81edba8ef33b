#!/bin/bash
# The API server against real kubectls: each row of the table in doc/kubectl.md is a test here, and
# the table is compared with what was found.
#
# The oldest and the newest kubectl of this machine; all of them with GANTRY_ALL_KUBECTLS=1, others
# with GANTRY_KUBECTLS="PATH...".
# UPDATE=1 writes the table instead of comparing it.
. "$(dirname "$0")/functions.sh"
. "$(dirname "$0")/kubectl/fixture.sh"
. "$(dirname "$0")/kubectl/reading.sh"
. "$(dirname "$0")/kubectl/writing.sh"
. "$(dirname "$0")/kubectl/pods.sh"

serve=$BUILD/tests/apiserver-serve
doc=$source_root/doc/kubectl.md
results=$work/results # all of them append to it
requires jq "it reads what kubectl prints"
kubectls=$(for k in "$source_root/.cache/kubectl-debian/usr/bin/kubectl" \
    /usr/lib/google-cloud-sdk/bin/kubectl.1.* /usr/bin/kubectl; do
    # a dispatcher picks another program by the server's version: not a version of its own
    [ -x "$k" ] && ! "$k" version --client 2>/dev/null | grep -q dispatcher && echo "$k"
done)
[ -n "$kubectls" ] || kubectls=$(command -v kubectl)
[ -n "$kubectls" ] || skip_all "no kubectl"
if [ -n "${GANTRY_KUBECTLS:-}" ]; then
    kubectls=$GANTRY_KUBECTLS
elif [ "${GANTRY_ALL_KUBECTLS:-0}" != 1 ]; then
    kubectls=$(echo "$kubectls" | sed -n '1p;$p' | uniq)
fi

# In $work/home; it ends with this shell, which holds its standard input.
start_server() {
    mkdir -p "$work"
    mkfifo "$work/stdin"
    "$serve" "$work/home" <"$work/stdin" >"$work/ready" 2>"$work/serve.log" &
    exec 9>"$work/stdin"
    wait_until 30 grep -q ready "$work/ready" || { cat "$work/serve.log"; return 1; }
    export KUBECONFIG=$work/home/kubeconfig HOME=$work
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

# row TITLE FUNCTION: one row of the table, with the kubectl under test
row() {
    local before=$tests_failed result=yes
    it "kubectl $version: $1" "$2"
    [ "$it_status" != 77 ] || return 0
    [ "$tests_failed" = "$before" ] || result=no
    printf '%s\t%s\t%s\n' "$1" "$version" "$result" >>"$results"
}

# What kubectl says itself, not we, of a command that it does not know.
has_not() {
    local out code
    set +e
    out=$( (trap - EXIT; set -e; "$1") 2>&1)
    code=$?
    set -e
    [ "$code" != 0 ] || fail "it does"
    grep -qiE 'unknown|unrecognized|must specify|not enabled|plugin name' <<<"$out" || fail "$out"
}

# row_since MINOR TITLE FUNCTION: older ones have no such command, which is looked at as well
row_since() {
    if ! older_than "$1"; then
        row "$2" "$3"
        return
    fi
    it "kubectl $version: has no $2" has_not "$3"
    printf '%s\t%s\thas not\n' "$2" "$version" >>"$results"
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

the_table_is_true() {
    if [ "${UPDATE:-0}" = 1 ]; then
        python3 "$source_root/tests/kubectl/table.py" update "$results" "$doc"
    else
        python3 "$source_root/tests/kubectl/table.py" check "$results" "$doc" ||
            fail "UPDATE=1 writes the table of $doc"
    fi
}

# One kubectl with a server of its own; its tests have the numbers after $1.
try_kubectl() (
    test_number=$1
    kubectl=$2
    version=$("$kubectl" version --client 2>/dev/null | sed -n 's/.*v\(1\.[0-9]*\).*/\1/p' | head -1)
    ns=test-${version//./-}
    work=$work/$version
    start_server || { echo "Bail out! the server does not start"; exit 1; }
    it "kubectl $version: a namespace" says created k create ns "$ns"
    it "kubectl $version: what the rows look at" set_up
    reading_rows
    pod_rows
    writing_rows
    last_rows
    ns=default
    it "kubectl $version: paths of this machine are for those who may" \
        paths_of_this_machine_are_for_those_who_may
)

rows=$(cat "$source_root"/tests/kubectl/*.sh | grep -cE '^    row(_since)? ')
each=$((rows + 3))
count=0
plan $(($(wc -w <<<"$kubectls") * each + 1))
for kubectl in $kubectls; do
    # two at a time: they mostly wait
    [ "$count" -lt 2 ] || wait -n
    try_kubectl $((count * each)) "$kubectl" >"$work/out.$count" 2>&1 &
    count=$((count + 1))
done
wait
for ((i = 0; i < count; i++)); do
    cat "$work/out.$i"
    tests_failed=$((tests_failed + $(grep -c '^not ok' "$work/out.$i")))
done
test_number=$((count * each))
it "the table of doc/kubectl.md is true" the_table_is_true
finish
