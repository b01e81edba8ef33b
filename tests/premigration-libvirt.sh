#!/bin/bash
# Live migrations between two libvirt daemons on this machine, through the hook and its server: every
# edit arrives, the guest goes on counting, and every refusal leaves it running on the source.
#
# Each daemon has mount, network, host name, IPC and process namespaces of its own, with its folders
# bound over libvirt's usual places.  No daemon is process 1 of its namespace: nobody would reap QEMU's
# probes there.
. "$(dirname "$0")/functions.sh"
requires_root
requires virsh "the migrations are started with it"
requires libvirtd "two of them are needed"
requires qemu-system-x86_64 "guests run in it"
requires as "the guest is assembled"
unshare --mount --net --pid --fork true 2>/dev/null || skip_all "no namespaces of our own"

nodes=$work/n
mkdir -p "$nodes/shared"
chmod 755 "$work" "$nodes"

uri() {
    echo "qemu+unix:///system?socket=$nodes/shared/$1/libvirt-sock"
}

v() {
    node=$1
    shift
    timeout 60 virsh -q -c "$(uri "$node")" "$@"
}

kill_node() {
    kill -9 "$(cat "$nodes/$1/pid")"
    wait_until 10 sh -c "! timeout 5 virsh -q -c '$(uri "$1")' version >/dev/null 2>&1"
}

daemon_of() { # its process as seen from here
    for daemon in $(pgrep -x libvirtd); do
        if grep -q "$nodes/$1/run /run " "/proc/$daemon/mountinfo"; then
            echo "$daemon"
        fi
    done
}

start_node() { # NAME UUID [no-hook]
    d=$nodes/$1
    mkdir -p "$d/run" "$d/etc/hooks" "$d/etc/qemu" "$d/var/images" "$d/log/qemu" "$d/cache" \
        "$nodes/shared/$1"
    cat >"$d/etc/libvirtd.conf" <<EOF
host_uuid = "$2"
auth_unix_rw = "none"
auth_unix_ro = "none"
unix_sock_group = "root"
unix_sock_dir = "$nodes/shared/$1"
log_outputs = "2:file:/var/log/libvirt/libvirtd.log"
EOF
    cat >"$d/etc/qemu.conf" <<EOF
user = "root"
group = "root"
security_driver = "none"
dynamic_ownership = 0
remember_owner = 0
namespaces = []
cgroup_controllers = []
seccomp_sandbox = 0
stdio_handler = "file"
EOF
    # libvirtd wants the account even so; without its system package this machine has none
    for file in passwd group; do
        cp /etc/$file "$d/$file"
        grep -q '^libvirt-qemu:' /etc/$file || case $file in
        passwd) echo 'libvirt-qemu:x:64055:64055::/:/usr/sbin/nologin' ;;
        group) echo 'libvirt-qemu:x:64055:' ;;
        esac >>"$d/$file"
    done
    # the hook is there before the daemon starts: it is not looked for later
    [ "${3:-}" = no-hook ] || cp "$bin/gantry-libvirt-hook" "$d/etc/hooks/qemu"
    ln -sf "$nodes/shared/$1/hook" "$d/etc/hooks/migration-hook-socket"
    unshare --mount --net --uts --ipc --pid --fork --kill-child --mount-proc bash -c "
        mount --make-rprivate /
        mount --bind $d/passwd /etc/passwd; mount --bind $d/group /etc/group
        mount --bind $d/run /run; mount --bind $d/etc /etc/libvirt
        mount --bind $d/var /var/lib/libvirt; mount --bind $d/log /var/log/libvirt
        mount --bind $d/cache /var/cache/libvirt
        ip link set lo up; ip link add br-$1 type bridge; ip link set br-$1 up; hostname $1
        libvirtd -f /etc/libvirt/libvirtd.conf -p /run/libvirtd.pid & wait" >"$d/out" 2>&1 &
    echo $! >"$d/pid"
    cleanup_fn "kill -9 $!"
}

other() {
    [ "$1" = a ] && echo b || echo a
}

# Another on each node: the instance's UID of machine $2, and how its storage is driven.
uid() {
    echo "$1$1$1$1$1$1$1$1-0000-4000-8000-$(echo "$2" | od -An -tx1 | tr -d ' \n' | head -c 8)0000"
}

cache() {
    [ "$1" = a ] && echo none || echo writeback
}

# The facts of node $1 for machine $2, whose disk is called after both.
write_context() {
    mkdir -p "$nodes/shared/$1/contexts"
    cat >"$nodes/shared/$1/contexts/$2.json" <<EOF
{"node": "$1",
 "source": {"vmiUID": "$(uid $(other $1) $2)"}, "target": {"vmiUID": "$(uid $1 $2)"},
 "volumes": [{"name": "root", "file": "/var/lib/libvirt/images/$1-$2.img", "cache": "$(cache $1)",
              "discard": "unmap", "sliceBytes": 67108864}],
 "networks": [{"name": "sec", "bridge": "br-$1", "tap": "tap-$1-$2"}],
 "cpu": {"dedicated": true, "sockets": 1, "cores": 1, "threads": 1, "cpuset": [$3],
         "topology": {"cells": [{"id": 0, "cpus": [{"id": 0}, {"id": 1}]}]}}}
EOF
}

start_server() { # NODE [ARGS...]
    server_node=$1
    shift
    "$bin/gantry-hookd" --socket "$nodes/shared/$server_node/hook" --exchanges 0 \
        --context-dir "$nodes/shared/$server_node/contexts" "$@" \
        2>>"$nodes/shared/$server_node/hookd.log" &
    echo $! >"$nodes/shared/$server_node/hookd.pid"
    wait_until 10 test -S "$nodes/shared/$server_node/hook"
}

stop_server() {
    kill "$(cat "$nodes/shared/$1/hookd.pid")" 2>/dev/null
    wait_until 10 test ! -S "$nodes/shared/$1/hook"
}
cleanup_fn 'kill $(cat "$nodes"/shared/*/hookd.pid)'

# machine NAME NUMBER: starts a guest on node a
machine() {
    "$source_root/tests/make-guest" --name "$1" "$nodes/a/var/images/a-$1.img"
    cp --sparse=always "$nodes/a/var/images/a-$1.img" "$nodes/b/var/images/b-$1.img"
    write_context a "$1" 0
    write_context b "$1" 1
    cat >"$work/$1.xml" <<EOF
<domain type='qemu'><name>$1</name><uuid>11111111-2222-4333-8444-00000000000$2</uuid>
<metadata><u:kept xmlns:u="urn:user" a="1"/><v:uid xmlns:v="urn:uid">$(uid a "$1")</v:uid></metadata>
<memory unit='MiB'>32</memory><vcpu placement='static'>1</vcpu>
<cputune><vcpupin vcpu='0' cpuset='0'/></cputune>
<os><type arch='x86_64' machine='pc'>hvm</type><boot dev='hd'/></os><features><acpi/></features>
<cpu><topology sockets='1' cores='1' threads='1'/></cpu>
<devices><emulator>/usr/bin/qemu-system-x86_64</emulator>
<disk type='file' device='disk'><driver name='qemu' type='raw' cache='none'/>
<source file='/var/lib/libvirt/images/a-$1.img'/><target dev='vda' bus='virtio'/>
<alias name='ua-root'/></disk>
<interface type='bridge'><mac address='52:54:00:00:00:0$2'/><source bridge='br-a'/>
<model type='virtio'/><rom enabled='no'/><alias name='ua-sec'/></interface>
<serial type='file'><source path='/var/log/libvirt/$1.log'/><target port='0'/></serial>
<controller type='usb' model='none'/><memballoon model='none'/></devices></domain>
EOF
    v a create "$work/$1.xml"
    wait_until 30 grep -qa second "$nodes/a/log/$1.log"
}

# migrate FROM TO NAME [ARGS...]
migrate() {
    from=$1 to=$2 name=$3
    shift 3
    rm -f "$nodes/shared/$name.sock" "$nodes/shared/$name-nbd.sock"
    v "$from" migrate --live --unsafe "$name" "$(uri "$to")" \
        --migrateuri "unix://$nodes/shared/$name.sock" "$@" 2>"$work/err"
}

last_count() { # NODE NAME: the last number of the guest's counter
    grep -a second "$nodes/$1/log/$2.log" | tail -n 1 | tr -dc '0-9\n'
}

refuses() { # MESSAGE [ARGS...]: the migration of "one" fails with it and the guest runs on
    message=$1
    shift
    if migrate a b one --p2p "$@"; then
        fail "it migrated"
    fi
    contains "$(cat "$work/err")" "$message"
    same "$(v a domstate one | head -n 1)" running
    same "$(v b list --all --name | grep -c . || true)" 0
}

daemons_start() {
    start_node a aaaaaaaa-0000-4000-8000-00000000000a
    start_node b bbbbbbbb-0000-4000-8000-00000000000b
    wait_until 120 v a version >/dev/null 2>&1
    wait_until 120 v b version >/dev/null 2>&1
    machine one 1
}

is_refused_without_a_server() {
    refuses "cannot reach the hook server"
}

is_refused_with_the_hooks_reason() {
    start_server b
    mv "$nodes/shared/b/contexts/one.json" "$work/one.json"
    refuses 'machine "one"'
    echo '{"networks": 1}' >"$nodes/shared/b/contexts/one.json"
    refuses '"networks" is no list'
    mv "$work/one.json" "$nodes/shared/b/contexts/one.json"
    stop_server b
}

# Every change that libvirt's check refuses, and those that it lets pass and QEMU does not survive, as
# "XPATH|ACTION|VALUE|what our message names"; an action may name an attribute.
cat >"$work/changes" <<'EOF'
/domain/name|set-text|other|name
/domain/uuid|set-text|99999999-2222-4333-8444-000000000009|uuid
/domain|set-attribute type|kvm|domain@type
//os/type|set-attribute machine|pc-i440fx-6.0|os/type
/domain/memory|set-text|65536|memory
/domain/vcpu|set-text|2|vcpu
/domain/cpu/topology|set-attribute cores|2|cpu/topology@cores
/domain/cpu/model|set-text|kvm64|cpu/model
/domain/features|add|<kvm><hidden state='on'/></kvm>|features/kvm
/domain|add|<memoryBacking><source type='memfd'/></memoryBacking>|memoryBacking
/domain|add|<memoryBacking><access mode='shared'/></memoryBacking>|memoryBacking
//interface/mac|set-attribute address|52:54:00:00:00:ff|interface 0
//interface/model|set-attribute type|e1000|interface 0
//interface|remove||interface 0
/domain/devices|add|<disk type='file' device='disk'><source file='/x'/><target dev='vdb' bus='virtio'/></disk>|disk 1
//disk/target|set-attribute dev|vdz|disk 0
//disk/target|set-attribute bus|sata|disk 0
//disk/address|set-attribute slot|0x1d|disk 0
//disk|add|<serial>42</serial>|disk 0
//emulator|set-text|/nowhere/qemu|devices/emulator
//interface|set-attribute type|user|interface 0
//disk/driver|set-attribute type|qcow2|disk 0
EOF

is_refused_by_our_own_check() {
    mkdir -p "$work/hooks"
    while IFS='|' read -r xpath action value names; do
        {
            printf 'edits: [{xpath: "%s", action: %s' "$xpath" "${action%% *}"
            [ "${action#* }" = "$action" ] || printf ', attribute: %s' "${action#* }"
            [ "$action" = remove ] || printf ', value: "%s"' "$value"
            echo '}]'
        } >"$work/hooks/1.yaml"
        start_server b --hooks-dir "$work/hooks"
        refuses "$names"
        contains "$(cat "$work/err")" "running machine"
        stop_server b
    done <"$work/changes"
}

# with_hook: the script on standard input is b's hook until the hook is put back
with_hook() {
    [ -f "$work/qemu" ] || mv "$nodes/b/etc/hooks/qemu" "$work/qemu"
    cat >"$nodes/b/etc/hooks/qemu.new"
    chmod 755 "$nodes/b/etc/hooks/qemu.new"
    mv "$nodes/b/etc/hooks/qemu.new" "$nodes/b/etc/hooks/qemu"
}

put_hook_back() {
    mv "$work/qemu" "$nodes/b/etc/hooks/qemu"
}

# What libvirt itself says of hooks that do not behave, whoever wrote them.
is_refused_with_other_hooks() {
    # what an empty answer leaves as it was has the source's path, which is not here
    for case in "true|a-one.img" "printf ' \\n'|a-one.img"; do
        printf '#!/bin/sh\n[ "$2 $3" = "migrate begin" ] || exit 0\n%s\n' "${case%|*}" | with_hook
        refuses "${case##*|}"
    done
    for case in "echo no room >&2; exit 7|no room" "exit 7|exit status 7" 'kill -9 $$|fatal signal 9' \
        "cat; echo trailing|Extra content" "echo '<domain><oops>'|oops" "echo '<pool/>'|expecting root" \
        "sed s/52:54:00:00:00:01/52:54:00:00:00:02/|does not match source" \
        "sed 's,<vcpu placement=.static.>1<,<vcpu>2<,'|does not match source"; do
        printf '#!/bin/sh\n[ "$2 $3" = "migrate begin" ] || exit 0\n%s\n' "${case%|*}" | with_hook
        refuses "${case##*|}"
    done
    put_hook_back
}

# libvirt cleans up by itself when a hook of a later stage fails.
is_refused_at_a_later_stage() {
    start_server b
    for stage in prepare start started; do
        printf '#!/bin/sh\n[ "$2" != %s ] || { echo "not %s" >&2; exit 1; }\nexec %s "$@"\n' $stage $stage \
            "/etc/libvirt/hooks/client" | with_hook
        cp "$bin/gantry-libvirt-hook" "$nodes/b/etc/hooks/client"
        refuses "not $stage"
    done
    put_hook_back
    stop_server b
}

# The source's own wish for the target (--xml) is held against the same rules.
is_refused_for_what_the_source_asks() {
    start_server b
    v a dumpxml one --migratable | sed 's/52:54:00:00:00:01/52:54:00:00:00:02/' >"$work/wish.xml"
    refuses "does not match source" --xml "$work/wish.xml"
    stop_server b
}

# A hook that is not run leaves the source's paths, which are not there on the target.
is_refused_when_the_hook_is_not_run() {
    chmod 644 "$nodes/b/etc/hooks/qemu"
    refuses "a-one.img"
    chmod 755 "$nodes/b/etc/hooks/qemu"
    mv "$nodes/b/etc/hooks/qemu" "$work/qemu"
    kill_node b # starts anew without a hook, and gets one then
    start_node b bbbbbbbb-0000-4000-8000-00000000000b no-hook
    wait_until 120 v b version >/dev/null 2>&1
    put_hook_back
    refuses "a-one.img"
    # until libvirtd is told to look again
    kill -HUP "$(daemon_of b)"
    wait_until 20 is_refused_by_the_hook_now
}

is_refused_by_the_hook_now() {
    ! migrate a b one --p2p && grep -q "cannot reach the hook server" "$work/err"
}

# A server that accepts, says nothing, and is at hand in $hanging.
start_hanging_server() {
    rm -f "$nodes/shared/b/hook" "$work/accepted"
    python3 -c 'import socket, sys, time
s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen(1)
c, _ = s.accept(); open(sys.argv[2], "w"); time.sleep(60)' "$nodes/shared/b/hook" "$work/accepted" &
    hanging=$!
    cleanup_fn "kill -9 $hanging"
    wait_until 10 test -S "$nodes/shared/b/hook"
}

# refuses_while MESSAGE COMMAND...: the command runs while the hook waits for its answer
refuses_while() {
    message=$1
    shift
    start_hanging_server
    (wait_until 20 test -f "$work/accepted" && "$@") >/dev/null 2>&1 &
    if migrate a b one --p2p; then
        fail "it migrated"
    fi
    contains "$(cat "$work/err")" "$message"
    same "$(v a domstate one | head -n 1)" running
    kill -9 $hanging 2>/dev/null || true
    rm -f "$nodes/shared/b/hook"
}

kill_server() {
    kill -9 "$hanging"
}

kill_hook() {
    kill -9 "$(pgrep -f '^/etc/libvirt/hooks/qemu one migrate')"
}

is_refused_when_something_is_killed() {
    refuses_while "hook server" kill_server
    same "$(v b list --all --name | grep -c . || true)" 0
    refuses_while "fatal signal 9" kill_hook
    same "$(v b list --all --name | grep -c . || true)" 0
    refuses_while "closed" kill_node b
    start_node b bbbbbbbb-0000-4000-8000-00000000000b
    wait_until 120 v b version >/dev/null 2>&1
    same "$(v b list --all --name | grep -c . || true)" 0
}

is_refused_when_the_server_hangs() {
    printf '#!/bin/sh\nGANTRY_HOOK_TIMEOUT_MS=700 GANTRY_HOOK_SOCKET=%s exec %s "$@"\n' \
        "$nodes/shared/b/hang" "$bin/gantry-libvirt-hook" >"$nodes/b/etc/hooks/qemu.new"
    chmod 755 "$nodes/b/etc/hooks/qemu.new"
    mv "$nodes/b/etc/hooks/qemu" "$work/qemu"
    mv "$nodes/b/etc/hooks/qemu.new" "$nodes/b/etc/hooks/qemu"
    python3 -c 'import socket, sys, time
s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen(1); time.sleep(30)' \
        "$nodes/shared/b/hang" &
    hanging=$!
    wait_until 10 test -S "$nodes/shared/b/hang"
    refuses "no answer in time"
    kill $hanging
    mv "$work/qemu" "$nodes/b/etc/hooks/qemu"
}

has() { # FILE PART
    grep -q -e "$2" "$1" || fail "no $2 in: $(cat "$1")"
}

arrives_with_every_edit() {
    start_server a
    start_server b
    before=$(last_count a one)
    migrate a b one --p2p || { cat "$work/err"; return 1; }
    v b dumpxml one >"$work/live.xml"
    has "$work/live.xml" "images/b-one.img"
    has "$work/live.xml" "bridge='br-b'"
    has "$work/live.xml" "vcpupin vcpu='0' cpuset='1'"
    has "$work/live.xml" '<u:kept xmlns:u="urn:user" a="1"/>'
    has "$work/live.xml" "cache='writeback'.*discard='unmap'"
    has "$work/live.xml" "slice type='storage' offset='0' size='67108864'"
    has "$work/live.xml" "target dev='tap-b-one'"
    has "$work/live.xml" ">$(uid b one)</v:uid>"
    has "$work/live.xml" 'node="b" hooks="dedicated-cpu volume network identity"'
    nsenter --net --target "$(daemon_of b)" ip link show tap-b-one >"$work/tap"
    has "$work/tap" "master br-b"
    # libvirt does not lead the persistent definition through the hook: it is made of the running one
    v b dumpxml one --migratable >"$work/define.xml"
    v b define "$work/define.xml"
    v b dumpxml one --inactive >"$work/inactive.xml"
    for edit in images/b-one.img "bridge='br-b'" "cpuset='1'" "cache='writeback'" "slice type" tap-b-one \
        "$(uid b one)" 'node="b"'; do
        has "$work/inactive.xml" "$edit"
    done
    v b undefine one # goes on running, as it came
    grep -q "hook-script" "$nodes/b/log/qemu/one.log"
    wait_until 10 grep -qa second "$nodes/b/log/one.log"
    first=$(grep -a second "$nodes/b/log/one.log" | head -n 1 | tr -dc '0-9\n')
    [ "$((10#$first))" -gt "$((10#$before))" ] || fail "counted $before, then $first"
    [ "$((10#$first))" -le "$((10#$(last_count a one) + 2))" ] || fail "$first leaves a gap"
}

goes_back_and_forth() {
    for i in 1 2 3 4 5; do
        migrate b a one --p2p || { cat "$work/err"; return 1; }
        v a dumpxml one | grep -q 'node="a"'
        migrate a b one --p2p || { cat "$work/err"; return 1; }
        v b dumpxml one | grep -q 'node="b"'
    done
    migrate b a one --p2p
}

goes_every_way() {
    migrate a b one --p2p --tunnelled || true # without a data socket libvirt wants no migrateuri
    if [ "$(v a domstate one 2>/dev/null | head -n 1)" = running ]; then
        v a migrate --live --p2p --tunnelled --unsafe one "$(uri b)"
    fi
    v b dumpxml one | grep -q "images/b-one.img"
    migrate b a one || { cat "$work/err"; return 1; } # driven by virsh
    v a dumpxml one | grep -q "images/a-one.img"
    rm -f "$nodes/b/var/images/b-one.img"
    truncate -s 64M "$nodes/b/var/images/b-one.img"
    migrate a b one --p2p --copy-storage-all --disks-uri "unix://$nodes/shared/one-nbd.sock" ||
        { cat "$work/err"; return 1; }
    cmp "$nodes/a/var/images/a-one.img" "$nodes/b/var/images/b-one.img"
    migrate b a one --p2p
}

# The hook sees the machine's new name.
goes_under_another_name() {
    mv "$nodes/shared/b/contexts/one.json" "$nodes/shared/b/contexts/renamed.json"
    migrate a b one --p2p --dname renamed || { cat "$work/err"; return 1; }
    v b dumpxml renamed | grep -q "images/b-one.img"
    same "$(v a list --all --name | grep -c . || true)" 0
    mv "$nodes/shared/b/contexts/renamed.json" "$nodes/shared/b/contexts/one.json"
    migrate b a renamed --p2p --dname one || { cat "$work/err"; return 1; }
    v a dumpxml one | grep -q "images/a-one.img"
}

two_go_at_once() {
    machine two 2
    migrate a b one --p2p &
    first=$!
    (migrate a b two --p2p) || { cat "$work/err"; return 1; }
    wait $first || { cat "$work/err"; return 1; }
    v b dumpxml one | grep -q "images/b-one.img"
    v b dumpxml two | grep -q "images/b-two.img"
}

plan 15
it "two daemons and a guest start" daemons_start
it "is refused when there is no server" is_refused_without_a_server
it "is refused with the hook's reason" is_refused_with_the_hooks_reason
it "is refused by our own check before libvirt sees it" is_refused_by_our_own_check
it "is refused when the server hangs" is_refused_when_the_server_hangs
it "is refused when a hook does not behave" is_refused_with_other_hooks
it "is refused at a later stage" is_refused_at_a_later_stage
it "is refused for what the source asks" is_refused_for_what_the_source_asks
it "is refused when the hook is not run" is_refused_when_the_hook_is_not_run
it "is refused when server, hook or target are killed" is_refused_when_something_is_killed
it "arrives with every edit, and the guest goes on" arrives_with_every_edit
it "goes back and forth ten times" goes_back_and_forth
it "goes tunnelled, driven by the client, and with its storage" goes_every_way
it "goes under another name" goes_under_another_name
it "two go at once" two_go_at_once
finish
