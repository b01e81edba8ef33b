#!/bin/bash
# bench/apiserver.sh BUILD: the API server's figures, with the load on the same machine.  One line per
# figure, beside its budget.
#
# UPDATES (1000000) is a day's worth of them, RECOVER (100000) the objects of the recovery; both take
# minutes.  ONLY="memory watch" runs some of: ready rate lists watch memory recover.  GANTRY_SHARED has the CRDs
# of the systems that gantry serves (../shared), for the memory of 63 kinds.
set -eu
ulimit -n 8192
build=${1:-$BUILD}
shared=${GANTRY_SHARED:-$(dirname "$0")/../../shared}
updates=${UPDATES:-1000000}
recover=${RECOVER:-100000}
only=${ONLY:-ready rate lists watch memory recover}
work=$(mktemp -d "${TMPDIR:-/tmp}/gantry-bench.XXXXXX")
trap 'stop_server; rm -rf "$work"' EXIT
server=

# start_server [CRD_DIR]: in $work/home
start_server() {
    rm -f "$work/stdin"
    mkfifo "$work/stdin"
    "$build/tests/apiserver-serve" "$work/home" "$@" <"$work/stdin" >"$work/ready" 2>"$work/log" &
    server=$!
    exec 9>"$work/stdin"
    until grep -q ready "$work/ready"; do
        kill -0 "$server"
        sleep 0.01
    done
    load="$build/tests/bench-apiserver $work/home/kubeconfig"
}

stop_server() {
    [ -n "$server" ] || return 0
    exec 9>&-
    wait "$server" 2>/dev/null || true
    server=
}

fresh() {
    stop_server
    rm -rf "$work/home"
    start_server "$@"
}

# what budget: the resident memory, after a moment without load
rss() {
    echo "$1: $(awk '/VmRSS/ {printf "%.1f", $2 / 1024}' "/proc/$server/status") MiB resident${2:+ (budget $2)}"
}

started_ms() { sed -n 's/.*serving: .* ms=\([0-9]*\)/\1/p' "$work/log"; }
median() { sort -n | awk '{v[NR] = $1} END {print v[int((NR + 1) / 2)]}'; }

measure_ready() {
    for _ in 1 2 3 4 5; do
        fresh
        started_ms
    done >"$work/first"
    for _ in 1 2 3 4 5; do
        stop_server
        start_server
        started_ms
    done >"$work/again"
    echo "ready in an empty folder: $(median <"$work/first") ms (budget 100)"
    echo "ready after a restart: $(median <"$work/again") ms"
}

measure_rate() {
    fresh
    for connections in 1 16 64; do
        $load create $connections $((9600 / connections))
    done
    for connections in 1 16 64; do
        $load get $connections $((38400 / connections))
    done
    echo "(budgets at 16 connections: 6000 creates, 20000 gets)"
}

measure_lists() {
    fresh
    $load create 16 312 >/dev/null # 4992, and the one below
    $load create 1 8 >/dev/null
    $load list 1 20
    $load pages 1 20
    $load filter 1 20
    echo "(budget of a list of 5,000: 50 ms)"
}

measure_watch() {
    fresh
    $load watch 1 500
    $load watch 50 500
    echo "(budget of a watch, p99: 2 ms)"
    before=$(awk '/VmRSS/ {print $2}' "/proc/$server/status")
    $load idle 1000 1 &
    idle=$!
    until [ "$(ls "/proc/$server/task" | wc -l)" -gt 1000 ]; do
        kill -0 $idle
        sleep 0.1
    done
    sleep 1
    after=$(awk '/VmRSS/ {print $2}' "/proc/$server/status")
    echo "1000 idle watches: $(((after - before) / 1000)) kB each, TLS connections and threads included"
    $load get 16 1200 | sed 's/^/beside 1000 idle watches: /'
    kill $idle
    wait $idle 2>/dev/null || true
}

measure_memory() {
    fresh
    rss "14 kinds of our own, empty"
    $load create 16 312 >/dev/null
    rss "14 kinds, 5,000 objects" "60"
    if [ -d "$shared/crds" ]; then
        mkdir -p "$work/crds"
        find "$shared/crds" -name '*.yaml' -exec cp {} "$work/crds" \;
        fresh "$work/crds"
        rss "63 kinds, empty"
        $load create 16 312 >/dev/null
        rss "63 kinds, 5,000 objects" "60"
    fi
    $load update 16 $((updates / 16)) | sed 's/^/a day of updates: /'
    rss "after $updates updates" "60"
    echo "database: $(du -m "$work/home/state.db" | cut -f1) MiB, log $(du -m "$work/home/state.db-wal" | cut -f1) MiB"
}

measure_recover() {
    fresh
    $load create 64 $((recover / 64)) >/dev/null
    kill -9 "$server"
    wait "$server" 2>/dev/null || true
    start_server
    echo "recovery after kill -9 with $recover objects: $(started_ms) ms"
    rss "$recover objects"
}

for what in $only; do
    "measure_$what"
done
