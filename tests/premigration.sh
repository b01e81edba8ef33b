#!/bin/sh
# The hook server and the libvirt hook client with each other and with peers that speak as KubeVirt's
# do: a client that never half-closes, a server that answers nothing when it refuses.
. "$(dirname "$0")/functions.sh"
requires python3 "peers are played by it"

hook=$bin/gantry-libvirt-hook
socket=$work/socket
export GANTRY_HOOK_SOCKET="$socket"

cat >"$work/domain.xml" <<'EOF'
<domain type="kvm">
  <name>demo_web</name>
  <uuid>11111111-2222-3333-4444-555555555555</uuid>
  <devices>
    <disk type="file"><source file="/pods/demo/claim/disk.img"/></disk>
  </devices>
</domain>
EOF
cat >"$work/context.json" <<'EOF'
{"source": {"domainNamespace": "demo"}, "target": {"domainNamespace": "prod"}}
EOF
sed 's,/pods/demo/,/pods/prod/,' "$work/domain.xml" >"$work/want.xml"

# serve ARGS...: a server in the background, listening when this returns
serve() {
    rm -f "$socket"
    "$bin/gantry-hookd" --socket "$socket" --timeout 60 "$@" 2>"$work/hookd.log" &
    echo $! >"$work/hookd.pid"
    wait_until 10 test -S "$socket"
}

# ended STATUS: the server of `serve` has ended with STATUS
ended() {
    status=0
    wait "$(cat "$work/hookd.pid")" || status=$?
    same "$status" "$1"
    [ ! -e "$socket" ] || fail "the socket is left"
}

# peer MODE: a server of one exchange that does not behave
peer() {
    rm -f "$socket"
    python3 - "$1" "$socket" <<'EOF' &
import socket, sys, time
mode, path = sys.argv[1:]
listener = socket.socket(socket.AF_UNIX)
listener.bind(path)
listener.listen(1)
connection, _ = listener.accept()
if mode != "hangs":
    data = b""
    while b"</domain>" not in data:
        data += connection.recv(65536)
answers = {"nothing": b"", "blank": b" \n", "cut off": data[:-20] if mode != "hangs" else b"",
           "garbage": b"<pool/>", "reason": b"<error>a &lt;bad&gt; path\nx</error>",
           "echo": data if mode != "hangs" else b"", "hangs": b""}
if mode == "hangs":
    time.sleep(20)
connection.sendall(answers[mode])
connection.close()
EOF
    peer_pid=$!
    wait_until 10 test -S "$socket"
}

run_hook() {
    "$hook" demo_web migrate begin - <"$work/domain.xml" >"$work/out.xml" 2>"$work/err"
}

edits_a_definition_and_ends_after_one() {
    serve --context "$work/context.json"
    run_hook
    cmp "$work/out.xml" "$work/want.xml"
    ended 0
}

answers_unchanged_with_the_gate_off() {
    serve --context "$work/context.json" --feature-gates "Snapshot,TargetSideMigrationHooks=false"
    run_hook
    cmp "$work/out.xml" "$work/domain.xml"
    ended 0
}

serves_many_and_by_machine() {
    mkdir -p "$work/contexts"
    cp "$work/context.json" "$work/contexts/11111111-2222-3333-4444-555555555555.json"
    serve --context-dir "$work/contexts" --exchanges 3
    run_hook
    cmp "$work/out.xml" "$work/want.xml"
    sed 's,<uuid>1,<uuid>9,' "$work/domain.xml" >"$work/other.xml"
    if "$hook" x migrate begin - <"$work/other.xml" >"$work/out.xml" 2>"$work/err"; then
        fail "an unknown machine was let in"
    fi
    contains "$(cat "$work/err")" 'machine "demo_web" (91111111'
    run_hook
    ended 1
}

serves_a_client_that_never_half_closes() {
    serve --context "$work/context.json"
    timeout 10 python3 - "$socket" "$work/domain.xml" <<'EOF' >"$work/out.xml"
import socket, sys
connection = socket.socket(socket.AF_UNIX)
connection.connect(sys.argv[1])
connection.sendall(open(sys.argv[2], "rb").read())
while True:
    data = connection.recv(65536)
    if not data:
        break
    sys.stdout.buffer.write(data)
EOF
    cmp "$work/out.xml" "$work/want.xml"
    ended 0
}

the_client_learns_why_a_hook_failed() {
    echo '{"gpus": [{}, {}]}' >"$work/bad.json"
    sed 's,<devices>,<devices><hostdev type="mdev"/>,' "$work/domain.xml" >"$work/gpu.xml"
    serve --context "$work/bad.json"
    if "$hook" x migrate begin - <"$work/gpu.xml" >"$work/out.xml" 2>"$work/err"; then
        fail "the hook let it pass"
    fi
    contains "$(cat "$work/err")" 'hook "mdev": more than one vGPU'
    [ ! -s "$work/out.xml" ]
    ended 1
}

# refused_by PEER MESSAGE
refused_by() {
    peer "$1"
    if run_hook; then
        fail "status 0"
    fi
    [ ! -s "$work/out.xml" ] || fail "something was printed"
    contains "$(cat "$work/err")" "$2"
    same "$(wc -l <"$work/err")" 1
    kill $peer_pid 2>/dev/null || true
}

echoes_of_another_server_pass() {
    peer echo
    run_hook
    cmp "$work/out.xml" "$work/domain.xml"
}

a_server_that_hangs_is_left_in_time() {
    export GANTRY_HOOK_TIMEOUT_MS=500
    refused_by hangs "no answer in time"
}

nobody_there_is_a_clear_failure() {
    rm -f "$socket"
    if run_hook; then
        fail "status 0"
    fi
    contains "$(cat "$work/err")" "cannot reach the hook server"
}

does_nothing_for_other_events() {
    for words in "" "x" "x start" "x start begin -" "x migrate end -" "x release end -" \
        "x release end destroyed" "x prepare begin - y z"; do
        # shellcheck disable=SC2086
        same "$("$hook" $words <"$work/domain.xml")" ""
    done
}

leaves_the_marker_of_a_migrated_machine() {
    export GANTRY_HOOK_MARKER="$work/marker"
    "$hook" x release end migrated </dev/null
    [ -f "$work/marker" ] && [ ! -s "$work/marker" ]
    same "$(stat -c %a "$work/marker")" 644
    export GANTRY_HOOK_MARKER="$work/none/marker"
    if "$hook" x release end migrated </dev/null 2>"$work/err"; then
        fail "status 0 without a marker"
    fi
}

the_socket_may_lie_beside_the_hook() {
    unset GANTRY_HOOK_SOCKET
    mkdir -p "$work/hooks"
    cp "$hook" "$work/hooks/qemu"
    ln -sf "$socket" "$work/hooks/migration-hook-socket"
    serve --context "$work/context.json"
    "$work/hooks/qemu" demo_web migrate begin - <"$work/domain.xml" >"$work/out.xml"
    cmp "$work/out.xml" "$work/want.xml"
    ended 0
}

a_stale_socket_is_replaced_and_a_used_one_is_not() {
    python3 -c 'import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])' "$socket"
    "$bin/gantry-hookd" --socket "$socket" --timeout 60 --context "$work/context.json" \
        2>"$work/hookd.log" &
    echo $! >"$work/hookd.pid"
    wait_until 10 grep -q listening "$work/hookd.log"
    if "$bin/gantry-hookd" --socket "$socket" --context "$work/context.json" 2>"$work/err"; then
        fail "a second server started"
    fi
    contains "$(cat "$work/err")" "another server listens"
    same "$(stat -c %a "$socket")" 600
    run_hook
    ended 0
}

large_and_hostile_definitions_are_refused() {
    serve --context "$work/context.json" --exchanges 3
    python3 -c 'print("<domain>" + "<a>" * 200 + "</a>" * 200 + "</domain>")' >"$work/deep.xml"
    python3 -c 'print("<domain>" + "x" * (9 << 20) + "</domain>")' >"$work/large.xml"
    printf '<!DOCTYPE d [<!ENTITY a "b">]><domain>&a;</domain>' >"$work/bomb.xml"
    for case in "deep:deeper than" "large:larger than" "bomb:document type"; do
        if "$hook" x migrate begin - <"$work/${case%%:*}.xml" >"$work/out.xml" 2>"$work/err"; then
            fail "${case%%:*} passed"
        fi
        contains "$(cat "$work/err")" "${case#*:}"
    done
    kill "$(cat "$work/hookd.pid")"
}

# A client that stops in the middle holds up nobody, and learns after five seconds that it was too slow.
a_client_that_dawdles_is_left() {
    serve --context "$work/context.json" --exchanges 2
    timeout 20 python3 - "$socket" <<'EOF' >"$work/dawdler" &
import socket, sys
connection = socket.socket(socket.AF_UNIX)
connection.connect(sys.argv[1])
connection.sendall(b"<domain><name>demo_")
print(connection.recv(65536).decode())
EOF
    dawdler=$!
    run_hook
    cmp "$work/out.xml" "$work/want.xml"
    wait $dawdler
    contains "$(cat "$work/dawdler")" "<error>the client took too long</error>"
    ended 1
}

# other UID: what that user gets
other() {
    cp "$hook" "$work/client"
    chmod 755 "$work/client"
    setpriv --reuid "$1" --regid "$1" --clear-groups "$work/client" x migrate begin - <"$work/domain.xml" 2>&1 || true
}

other_users_are_turned_away() {
    [ "$(id -u)" = 0 ] || skip "needs root"
    chmod 755 "$work"
    serve --context "$work/context.json" --exchanges 2 --allow-uid 65533
    contains "$(other 65534)" "Permission denied"
    chmod 666 "$socket" # whoever gets that far is asked who it is
    contains "$(other 65534)" "user 65534 may not use this socket"
    contains "$(other 65533)" "/pods/prod/claim"
    ended 1
}

people_try_hooks_on_files() {
    "$bin/gantry" premigration apply --context "$work/context.json" --explain "$work/domain.xml" \
        >"$work/out.xml" 2>"$work/err"
    cmp "$work/out.xml" "$work/want.xml"
    contains "$(cat "$work/err")" "disk-path: changes, since the machine's namespace"
    contains "$(cat "$work/err")" '+     <disk type="file"><source file="/pods/prod/claim/disk.img"/></disk>'
    contains "$(cat "$work/err")" "dedicated-cpu: does not apply: the context has no cpu.dedicated"
    contains "$("$bin/gantry" premigration check "$work/domain.xml" "$work/want.xml")" "would be accepted"
    sed 's,demo_web,other,' "$work/domain.xml" >"$work/other.xml"
    if "$bin/gantry" premigration check "$work/domain.xml" "$work/other.xml" 2>"$work/err"; then
        fail "another name was accepted"
    fi
    contains "$(cat "$work/err")" 'name of a running machine would change from "demo_web" to "other"'
    contains "$("$bin/gantry" premigration bench --context "$work/context.json" --rounds 5 "$work/domain.xml")" \
        "5 rounds: p50"
}

sixty_four_at_once_are_served() {
    serve --context "$work/context.json" --exchanges 64
    pids=
    for i in $(seq 64); do
        "$hook" x migrate begin - <"$work/domain.xml" >"$work/out.$i" &
        pids="$pids $!"
    done
    for pid in $pids; do
        wait "$pid"
    done
    for i in $(seq 64); do
        cmp "$work/out.$i" "$work/want.xml"
    done
    ended 0
}

plan 22
it "edits a definition and ends after one" edits_a_definition_and_ends_after_one
it "answers unchanged with the feature gate off" answers_unchanged_with_the_gate_off
it "serves many, each machine with its own context" serves_many_and_by_machine
it "serves a client that never half-closes" serves_a_client_that_never_half_closes
it "tells the client why a hook failed" the_client_learns_why_a_hook_failed
it "passes on what another server edits" echoes_of_another_server_pass
it "takes no answer for a refusal" refused_by nothing "without a reason"
it "takes a blank answer for a refusal" refused_by blank "without a reason"
it "notices an answer that is cut off" refused_by "cut off" "cut off"
it "notices an answer that is no domain" refused_by garbage "no domain"
it "shows the reason on one line" refused_by reason "a <bad> path x"
it "leaves a server that hangs in time" a_server_that_hangs_is_left_in_time
it "fails clearly when nobody is there" nobody_there_is_a_clear_failure
it "does nothing for other events" does_nothing_for_other_events
it "leaves the marker of a migrated machine" leaves_the_marker_of_a_migrated_machine
it "finds the socket beside itself" the_socket_may_lie_beside_the_hook
it "replaces a stale socket, not a used one" a_stale_socket_is_replaced_and_a_used_one_is_not
it "refuses large and hostile definitions" large_and_hostile_definitions_are_refused
it "lets people try hooks on files" people_try_hooks_on_files
it "leaves a client that dawdles" a_client_that_dawdles_is_left
it "turns other users away" other_users_are_turned_away
it "serves sixty-four at once" sixty_four_at_once_are_served
finish
