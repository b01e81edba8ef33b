# Rows of doc/kubectl.md about rights, logs and commands in pods.

asks_for_rights() {
    says yes k auth can-i create configmaps
    k create role reader --verb=get,list --resource=pods >/dev/null
    k create rolebinding reader --role=reader --serviceaccount="$ns:sa" >/dev/null
    fails no k auth can-i create configmaps --as=eve
    fails no k auth can-i create configmaps --as="system:serviceaccount:$ns:sa"
    says yes k auth can-i get pods --as="system:serviceaccount:$ns:sa"
    says yes k auth can-i list pods --as=eve --as-group=system:masters
    says yes k auth can-i get /healthz --as=eve
    fails no k auth can-i get pods --subresource=log --as="system:serviceaccount:$ns:sa"
}

lists_rights() {
    says pods k auth can-i --list --as="system:serviceaccount:$ns:sa"
    says '/healthz' k auth can-i --list --as="system:serviceaccount:$ns:sa"
}

says_who_asks() {
    says gantry-admin k auth whoami
    says "system:serviceaccounts:$ns" k auth whoami --as="system:serviceaccount:$ns:sa"
}

reconciles() {
    k create role kept --verb=get --resource=pods >/dev/null
    k create role kept --verb=list --resource=secrets --dry-run=client -o yaml >"$work/role.yaml"
    says reconciled k auth reconcile -f "$work/role.yaml"
    same "$(k get role kept -o 'jsonpath={.rules[*].resources[0]}')" 'pods secrets'
}

makes_tokens() {
    token=$(k create token sa --duration=10m)
    says pod timeout 30 "$kubectl" -n "$ns" --token="$token" get pods -o name
    fails forbidden timeout 30 "$kubectl" -n "$ns" --token="$token" get secrets
    fails Unauthorized timeout 30 "$kubectl" -n "$ns" --token=bogus get pods
    token=$(k create token sa --audience=elsewhere)
    fails Unauthorized timeout 30 "$kubectl" -n "$ns" --token="$token" get pods
    k create sa bound >/dev/null
    token=$(k create token bound --bound-object-kind=Pod --bound-object-name=none 2>&1) &&
        fail 'a token for a pod that is not there'
    contains "$token" 'pods "none" not found'
}

impersonates() {
    fails 'User "eve" cannot list resource "pods"' k get pods --as=eve
    says pod k get pods --as="system:serviceaccount:$ns:sa"
    says pod k get pods --as=eve --as-group=system:masters
}

reads_logs() {
    same "$(k logs pod)" "first line
second line"
    same "$(k logs pod --tail=1)" 'second line'
    same "$(k logs pod -c c --since=1h)" 'second line'
    same "$(k logs pod --since-time=2019-01-01T00:00:00Z --limit-bytes=5)" first
    says '2020-01-01T00:00:00.000000Z first line' k logs pod --timestamps
    same "$(k logs pod --previous)" 'an earlier run'
    fails 'container none is not valid' k logs pod -c none
}

follows_logs() { says 'third line' k logs -f pod; }

reads_logs_of_others() {
    says 'second line' k logs -l app=p
    says '[pod/pod/c] second line' k logs -l app=p --prefix
    says 'second line' k logs job/job
    says 'second line' k logs pod --all-containers
}

runs_commands() {
    same "$(k exec pod -- echo hello)" hello
    same "$(k exec pod -c c -- sh -c 'echo out; echo err >&2' 2>&1 >/dev/null)" err
    same "$(printf 12345 | k exec -i pod -- wc -c)" 5
    code=0
    k exec pod -- sh -c 'exit 7' || code=$?
    same "$code" 7
    head -c 300000 /dev/urandom >"$work/bytes"
    k exec -i pod -- cat <"$work/bytes" | cmp - "$work/bytes"
    fails 'pods "none" not found' k exec none -- true
}

# With a terminal of a size of its own, which changes while the command runs.
runs_a_shell_on_a_terminal() {
    command -v python3 >/dev/null || skip "no python3"
    says 'resized to 44 132, exit 5' timeout 60 python3 "$(dirname "$0")/kubectl/terminal" \
        "$kubectl" -n "$ns" exec -it pod -- sh
}

copies_files() {
    command -v tar >/dev/null || skip "no tar"
    echo content >"$work/here"
    k cp "$work/here" "pod:$work/there"
    same "$(cat "$work/there")" content
    k cp "pod:$work/there" "$work/back"
    same "$(cat "$work/back")" content
}

pod_rows() {
    row 'auth can-i, --as, --as-group' asks_for_rights
    row 'auth can-i --list' lists_rights
    row 'auth reconcile' reconciles
    row_since 28 'auth whoami' says_who_asks
    row_since 24 'create token' makes_tokens
    row '--as, --as-group' impersonates
    row 'logs: --tail, --since, --since-time, --limit-bytes, --timestamps, --previous' reads_logs
    row 'logs -f' follows_logs
    row 'logs -l, logs job/NAME, --prefix, --all-containers' reads_logs_of_others
    row 'exec, exec -i, exit codes' runs_commands
    row 'exec -it, with a size that changes' runs_a_shell_on_a_terminal
    row 'cp, both ways' copies_files
}
