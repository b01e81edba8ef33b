#!/bin/bash
# kill -9 under load: no acknowledged write is lost, versions never go back.
#
# ROUNDS (3) kills; each lets the clients write for a moment that differs from round to round.
. "$(dirname "$0")/functions.sh"

serve=$BUILD/tests/apiserver-serve
journal=$BUILD/tests/apiserver-journal
rounds=${ROUNDS:-3}

start_server() {
    rm -f "$work/stdin"
    mkfifo "$work/stdin"
    "$serve" "$work/home" <"$work/stdin" >"$work/ready" 2>>"$work/serve.log" &
    server=$!
    exec 9>"$work/stdin"
    for _ in $(seq 300); do
        grep -q ready "$work/ready" && return 0
        sleep 0.1
    done
    cat "$work/serve.log"
    return 1
}

kill_round() {
    "$journal" "$work/home/kubeconfig" write "$work/journal" 16 &
    local writer=$!
    sleep "0.$((RANDOM % 9 + 1))"
    kill -9 "$server"
    wait "$writer"
    start_server
    "$journal" "$work/home/kubeconfig" check "$work/journal"
}

plan 1
all_rounds() {
    start_server
    for _ in $(seq "$rounds"); do
        kill_round
    done
    kill -9 "$server"
}
it "loses no acknowledged write in $rounds kills" all_rounds
