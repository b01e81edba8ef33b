#!/bin/bash
# Clients that mean no good against the API server, on loopback: slow ones, ten thousand at once,
# heads, paths and bodies made to confuse.  It refuses them, and serves everybody else meanwhile.
. "$(dirname "$0")/functions.sh"

python=/usr/bin/python3
serve=$BUILD/tests/apiserver-serve
attack=$(dirname "$0")/hostile/attack.py

[ -x "$python" ] || skip_all "no python3"

mkfifo "$work/stdin"
"$serve" "$work/home" <"$work/stdin" >"$work/ready" 2>"$work/serve.log" &
server=$!
exec 9>"$work/stdin"
cleanup_fn "kill $server"
functions=$(sed -n '/^# --- Slow/,$s/^def \([a-z_]*\)():$/\1/p' "$attack")
plan $(($(wc -w <<<"$functions") + 1))
wait_until 30 grep -q ready "$work/ready" || {
    cat "$work/serve.log"
    echo "Bail out! the server does not start"
    exit 1
}
address=$(sed -n 's|.*server: https://||p' "$work/home/kubeconfig")
token=$(cat "$work/home/pki/admin.token")

attacks() { timeout 120 "$python" "$attack" "$1" "$address" "$token"; }

stays_whole() {
    same "$still_there" 0
    wait_until 30 ended
    ! grep -E 'runtime error|AddressSanitizer|Assertion' "$work/serve.log"
}
ended() { ! kill -0 "$server" 2>/dev/null; }

for function in $functions; do
    it "${function//_/ }" attacks "$function"
done
kill -0 "$server"
still_there=$?
exec 9>&- # it ends when its standard input does
it "the server is whole and ends when it is told" stays_whole
finish
