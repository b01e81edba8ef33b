#!/bin/sh
# Exchanges as KubeVirt's programs have them on the wire (tests/cases/premigration-wire: what libvirt gives the
# hook, what KubeVirt's server makes of it with Go's encoder, the target's context), replayed in both directions:
# our client against its server, its client against our server.
. "$(dirname "$0")/functions.sh"
requires python3 "KubeVirt's half is played by it"

cases=$source_root/tests/cases/premigration-wire
peer=$source_root/tests/fakes/hook_peer.py
hook=$bin/gantry-libvirt-hook
socket=$work/socket
export GANTRY_HOOK_SOCKET="$socket"

# play CASE PIECE: its server answers our client, which ends with the status that is returned
play() {
    rm -f "$socket" "$work/sent"
    python3 "$peer" server "$socket" "$work/sent" "$cases/$1.answer" "$2" &
    peer_pid=$!
    wait_until 10 test -S "$socket"
    status=0
    "$hook" demo_web migrate begin - <"$cases/$1.request" >"$work/out" 2>"$work/err" || status=$?
    wait $peer_pid
    # byte for byte what libvirt gave, and nothing behind it
    cmp "$work/sent" "$cases/$1.request"
    return $status
}

our_client_passes_answers_on() {
    for case in disk-path dedicated-cpu tap-name vgpu; do
        for piece in 0 1 17 512; do
            play $case $piece
            cmp "$work/out" "$cases/$case.answer"
            [ ! -s "$work/err" ]
        done
    done
}

# A server whose hook failed closes without a byte; one whose encoder failed, in the middle.
our_client_refuses_what_is_no_answer() {
    for case in "refused:without a reason" "cut-off:cut off"; do
        if play "${case%%:*}" 17; then
            fail "status 0"
        fi
        contains "$(cat "$work/err")" "${case#*:}"
        same "$(wc -l <"$work/err")" 1
        [ ! -s "$work/out" ] || fail "something was printed"
    done
}

# ask CASE PIECE: its client asks our server
ask() {
    rm -f "$socket"
    "$bin/gantry-hookd" --quiet --socket "$socket" --context "$cases/$1.context" --timeout 60 &
    server_pid=$!
    wait_until 10 test -S "$socket"
    timeout 20 python3 "$peer" client "$socket" "$cases/$1.request" "$2" >"$work/answer"
    wait $server_pid
    [ ! -e "$socket" ] || fail "the socket is left"
}

our_server_answers_as_theirs() {
    for case in disk-path dedicated-cpu tap-name vgpu; do
        for piece in 0 1 512; do
            ask $case $piece
            python3 "$peer" same "$work/answer" "$cases/$case.answer"
        done
    done
    # the worked example: network "sec" is tapadd93534eeb
    contains "$(cat "$cases/tap-name.answer")" 'dev="tapadd93534eeb"'
}

# What is not edited stays as libvirt wrote it, but for quotes, which are libxml2's.
our_server_leaves_the_rest_as_it_was() {
    ask tap-name 0
    tr "'" '"' <"$cases/tap-name.request" >"$work/before"
    diff "$work/before" "$work/answer" | grep '^[<>]' | sed 's/^\([<>]\) */\1 /' >"$work/changes" || true
    printf '%s\n' '< <target dev="tap1" managed="no"/>' '> <target dev="tapadd93534eeb" managed="no"/>' |
        cmp - "$work/changes"
}

complete() { # COMMAND WORDS...: what bash proposes for the last word
    bash -c '. "$1"; PATH="$2:$PATH"; shift 2; function=_$(echo "$1" | tr - _)
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)); $function; echo "${COMPREPLY[*]}"' \
        - "$source_root/completions/$1" "$bin" "$@"
}

words_are_proposed() {
    same "$(complete gantry-hookd --context-d)" --context-dir
    contains "$(complete gantry-hookd --feature-gates Target)" TargetSideMigrationHooks=false
    same "$(complete gantry-libvirt-hook name migrate b)" begin
    same "$(complete gantry premigration "")" "apply check bench"
    contains "$(complete gantry premigration apply --)" --explain
}

plan 5
it "our client passes KubeVirt's answers on byte for byte" our_client_passes_answers_on
it "our client refuses what is no answer" our_client_refuses_what_is_no_answer
it "our server answers KubeVirt's client as its own does" our_server_answers_as_theirs
it "our server leaves the rest as it was" our_server_leaves_the_rest_as_it_was
it "bash proposes the words of these programs" words_are_proposed
finish
