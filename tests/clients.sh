#!/bin/bash
# Debian's python3-kubernetes and Ansible's kubernetes.core against the API server, unmodified.
. "$(dirname "$0")/functions.sh"

python=/usr/bin/python3 # the one that Debian's packages are for
serve=$BUILD/tests/apiserver-serve
files=$(dirname "$0")/clients

"$python" -c 'import kubernetes' 2>/dev/null || skip_all "no python3-kubernetes: ./bootstrap home"

start_server() {
    mkfifo "$work/stdin"
    sleep 1000 >"$work/stdin" &
    keeper=$!
    "$serve" "$work/home" <"$work/stdin" >"$work/ready" 2>"$work/serve.log" &
    cleanup_fn "kill $keeper $!"
    wait_until 30 grep -q ready "$work/ready" && return
    cat "$work/serve.log"
    return 1
}

runs_client() { timeout 60 "$python" "$files/client.py" "$1"; }

runs_playbook() {
    command -v ansible-playbook >/dev/null || skip "no ansible-playbook: ./bootstrap home"
    "$python" -c 'import ansible_collections.kubernetes.core' 2>/dev/null ||
        skip "no collection kubernetes.core: ./bootstrap home"
    ANSIBLE_LOCALHOST_WARNING=False ANSIBLE_HOME=$work ANSIBLE_LOCAL_TEMP=$work/tmp \
        timeout 240 ansible-playbook -i localhost, -c local \
        -e "ansible_python_interpreter=$python" "$files/k8s.yml"
}

functions=$(sed -n 's/^def \([a-z_]*\)(ns, v1):$/\1/p' "$files/client.py")
plan $(($(wc -w <<<"$functions") + 1))
start_server || { echo "Bail out! the server does not start"; exit 1; }
export KUBECONFIG=$work/home/kubeconfig HOME=$work
for function in $functions; do
    it "python3-kubernetes: ${function//_/ }" runs_client "$function"
done
it "kubernetes.core: k8s, k8s_info, k8s_scale, the lookup and their relatives" runs_playbook
finish
