#!/bin/bash
# kill -9 under a mixed load of 16 clients, and six that watch: no acknowledged write is lost, none is
# there by half, versions never go back, and watches go on without a gap or a duplicate.  The clients'
# own journals tell (apiserver/journal.h).
#
# GANTRY_KILL_ROUNDS (25) kills; each lets the clients write for a moment that differs from round to round.
# GANTRY_KEEP is a new folder for the journals if they do not agree.
. "$(dirname "$0")/functions.sh"

serve=$BUILD/tests/apiserver-serve
journal=$BUILD/tests/apiserver-journal
rounds=${GANTRY_KILL_ROUNDS:-25}
clients=16
config=$work/home/kubeconfig
mkdir "$work/journals"

start_server() {
    rm -f "$work/stdin"
    mkfifo "$work/stdin"
    "$serve" "$work/home" <"$work/stdin" >"$work/ready" 2>>"$work/serve.log" &
    server=$!
    exec 9>"$work/stdin"
    wait_until 60 grep -q ready "$work/ready" || {
        tail -n 20 "$work/serve.log"
        return 1
    }
    # clients find it where it was
    export SERVE_LISTEN=${SERVE_LISTEN:-$(sed -n 's|.*server: https://||p' "$config")}
}

begun() { [ "$(grep -c '^R' "$work/journals/writes" 2>/dev/null)" -ge "$1" ]; }

kill_round() {
    "$journal" "$config" write "$work/journals" "$clients" &
    local writers=$!
    wait_until 60 begun "$1"
    sleep "0.$((RANDOM % 6 + 2))"
    kill -9 "$server"
    wait "$writers"
    start_server
}

all_rounds() {
    start_server
    "$journal" "$config" watch "$work/journals" &
    local watchers=$!
    cleanup_fn "kill $watchers"
    for round in $(seq "$rounds"); do
        kill_round "$round"
    done
    "$journal" "$config" end "$work/journals"
    wait "$watchers"
    "$journal" "$config" check "$work/journals" >"$work/summary" || {
        [ -z "${GANTRY_KEEP:-}" ] || cp -r "$work/journals" "$GANTRY_KEEP"
        return 1
    }
    exec 9>&-
    wait "$server"
    ! grep -E 'runtime error|Sanitizer|Assertion' "$work/serve.log"
}

plan 1
it "keeps what was acknowledged and tells every watcher once, over $rounds kills" all_rounds
sed 's/^/# /' "$work/summary"
finish
