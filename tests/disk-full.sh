#!/bin/bash
# A full disk: writes are refused with a Status that says so, reads and watches go on, and when there
# is room again so do writes, without a restart.  The disk is a small one in memory.
. "$(dirname "$0")/functions.sh"
requires_root
requires curl "it asks the server"
requires unshare "the disk is mounted for this test alone"

if [ "${IN_NAMESPACE:-}" != 1 ]; then
    rm -rf "$work"
    exec env IN_NAMESPACE=1 unshare -m "$0" "$@"
fi
serve=$BUILD/tests/apiserver-serve
home=$work/home
mkdir "$home"
mount -t tmpfs -o size=12m tmpfs "$home" || skip_all "cannot mount a tmpfs"
cleanup_fn "umount -l $home"

start_server() {
    rm -f "$work/stdin"
    mkfifo "$work/stdin"
    "$serve" "$home" <"$work/stdin" >"$work/ready" 2>>"$work/serve.log" &
    server=$!
    exec 9>"$work/stdin"
    cleanup_fn "kill -9 $server"
    wait_until 30 grep -q ready "$work/ready" || {
        cat "$work/serve.log"
        return 1
    }
    url=$(sed -n 's/.*server: //p' "$home/kubeconfig")/api/v1/namespaces/default/configmaps
    token=$(cat "$home/pki/admin.token")
}

# ask METHOD PATH [BODY]: the status; the answer is in $work/answer
ask() {
    curl -sk -m 20 -o "$work/answer" -w '%{http_code}' -X "$1" -H "Authorization: Bearer $token" \
        -H 'Content-Type: application/json' "$url$2" ${3:+-d "$3"}
}
put() { ask POST "" "{\"metadata\":{\"name\":\"$1\"},\"data\":{\"x\":\"$2\"}}"; }

block=$(head -c 100000 /dev/zero | tr '\0' x)

refuses_writes() {
    for i in $(seq 200); do
        status=$(put "o-$i" "$block")
        [ "$status" = 201 ] || break
        echo "o-$i" >>"$work/acknowledged"
    done
    same "$status" 507
    same "$(jq -r '.kind, .reason, .code' "$work/answer" | tr '\n' ' ')" \
        "Status InsufficientStorage 507 "
    contains "$(jq -r .message "$work/answer")" "free some space"
}

goes_on_reading() {
    for name in $(shuf -n 5 "$work/acknowledged"); do
        same "$(ask GET "/$name")" 200
    done
    same "$(ask GET "?limit=2")" 200
    same "$(ask GET "?watch=true&timeoutSeconds=1")" 200
    same "$(ask GET "/o-$(($(wc -l <"$work/acknowledged") + 1))")" 404 # refused, so not there
}

recovers_without_a_restart() {
    mount -o remount,size=48m "$home"
    same "$(put after "$block")" 201
    same "$(ask DELETE "/after")" 200
    kill -0 "$server"
}

keeps_what_was_acknowledged() {
    mount -o remount,size=48m "$home"
    kill -9 "$server"
    wait "$server" 2>/dev/null || true
    start_server
    while read -r name; do
        same "$(ask GET "/$name")" 200
    done <"$work/acknowledged"
    ! grep -E 'runtime error|AddressSanitizer' "$work/serve.log"
}

start_server || { echo "Bail out! the server does not start"; exit 1; }
plan 4
it "writes are refused with 507 and what to do" refuses_writes
it "reads and watches go on, what was refused is not there" goes_on_reading
it "writes go on when there is room, without a restart" recovers_without_a_restart
it "kill -9 after that loses nothing that was acknowledged" keeps_what_was_acknowledged
finish
