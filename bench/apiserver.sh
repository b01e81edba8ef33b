#!/bin/bash
# bench/apiserver.sh BUILD: the API server's figures, with the load on the same machine.
#
# Prints one line per figure; doc/design/apiserver.md has the budgets they stand beside.
set -eu
build=${1:-$BUILD}
work=$(mktemp -d "${TMPDIR:-/tmp}/gantry-bench.XXXXXX")
mkfifo "$work/stdin"
trap 'exec 9>&-; rm -rf "$work"' EXIT

"$build/tests/apiserver-serve" "$work/home" <"$work/stdin" >"$work/ready" 2>"$work/log" &
server=$!
exec 9>"$work/stdin"
for _ in $(seq 100); do
    grep -q ready "$work/ready" && break
    sleep 0.05
done
sed -n 's/.*serving: .* ms=\([0-9]*\)/ready ms=\1/p' "$work/log"
load="$build/tests/bench-apiserver $work/home/kubeconfig"
for connections in 1 16 64; do
    $load create $connections $((4800 / connections))
done
for connections in 1 16 64; do
    $load get $connections $((19200 / connections))
done
$load list 1 5
awk '/VmRSS/ {print "rss kB=" $2}' "/proc/$server/status"
