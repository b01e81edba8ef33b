#!/bin/bash
# Live migrations of counting guests between two homes on this machine, each a gantryd with a libvirtd
# of its own: there and back, two at once, with TLS between them, canceled, refused, and with either
# side's programs killed.  After each: one copy runs, its counter has gone on, its disk is whole.
#
# A case that failed must not take those behind it along: each begins with `at HOME`, which starts what
# is down, takes away what slows or refuses migrations, and makes a new guest if the last one is not
# where it should be.
. "$(dirname "$0")/functions.sh"
requires_root
requires kubectl "the tests talk to gantryd with it"
requires libvirtd "machines run under it"
requires qemu-system-x86_64 "machines run in it"
requires virsh "it shows definitions"
requires python3 "it asks as another home"
requires as "the guest is assembled"
[ -x "$bin/gantryd" ] || skip_all "gantryd is not built"

rounds=${ROUNDS:-1} # there and back
faults_a= faults_b=
echo none >"$work/guest"
echo 0 >"$work/number"

ka() {
    kubectl --kubeconfig "$work/a/kubeconfig" -n default "$@"
}

kb() {
    kubectl --kubeconfig "$work/b/kubeconfig" -n default "$@"
}

start_home() { # a or b
    mkdir -p "$work/$1"
    faults=faults_$1
    echo "${!faults}" >"$work/$1.faults"
    GANTRY_FAULTS=${!faults} "$bin/gantryd" --dir "$work/$1" --listen 127.0.0.1:0 \
        --migration-listen 127.0.0.1:0 -v -D live >>"$work/$1.log" 2>&1 &
    echo $! >"$work/$1.pid"
    wait_until 30 sh -c "kubectl --kubeconfig '$work/$1/kubeconfig' get nodes 2>/dev/null | grep -q ' Ready'"
}

# Nobody may have reaped it, and its threads end one by one.
is_gone() {
    pid=$(cat "$work/$1.pid")
    ! cat /proc/"$pid"/task/*/status 2>/dev/null | grep -q '^State:.*[^Z] ('
}

kill_home() {
    kill -9 "$(cat "$work/$1.pid")" 2>/dev/null || true
    wait_until 10 is_gone "$1"
}

# SIGUSR1 ends machines and libvirtd as well
end_home() {
    kill -USR1 "$(cat "$work/$1.pid")"
    wait_until 20 is_gone "$1" || kill -9 "$(cat "$work/$1.pid")"
}

get() { # HOME KIND NAME JSONPATH
    k"$1" get "$2" "$3" -o "jsonpath={$4}" 2>/dev/null
}

is() { # HOME KIND NAME JSONPATH VALUE
    [ "$(get "$1" "$2" "$3" "$4")" = "$5" ]
}

virsh_at() { # HOME ARGS...: its libvirtd
    keeper=$(cat "$work/$1/node/libvirt/keeper.pid")
    shift
    timeout 20 virsh -q -c "qemu+unix:///system?socket=/proc/$keeper/root/run/libvirt/libvirt-sock" "$@"
}

# The QEMU processes of machine $1.
copies() {
    pgrep -fc "guest=default_$1,.*$work/"
}

is_alone() {
    [ "$(copies "$1")" = 1 ]
}

console() { # HOME NAME: its file
    echo "$work/$1/node/machines/$(get "$1" vm "$2" .metadata.uid)/console.log"
}

# The last number that the guest counted on that home.
count() {
    grep -a second "$(console "$1" "$2")" 2>/dev/null | tail -n 1 | tr -dc '0-9\n'
}

first_count() {
    grep -a second "$(console "$1" "$2")" 2>/dev/null | head -n 1 | tr -dc '0-9\n'
}

counts_beyond() { # HOME NAME NUMBER
    now=$(count "$1" "$2")
    [ -n "$now" ] && [ "$((10#$now))" -gt "$((10#$3))" ]
}

# disk HOME NAME: the file of its disk
disk() {
    case $2 in shared*) echo "$work/disks/$2.img" ;; *) echo "$work/disks/$1-$2.img" ;; esac
}

# machine HOME NAME STRATEGY
machine() {
    cat <<VM | k"$1" create -f -
apiVersion: kubevirt.io/v1
kind: VirtualMachine
metadata: {name: $2}
spec:
  runStrategy: $3
  template:
    metadata: {labels: {guest: $2}}
    spec:
      terminationGracePeriodSeconds: 0
      domain:
        memory: {guest: 64Mi}
        devices:
          disks: [{name: root, disk: {bus: virtio}}]
          interfaces: [{name: pod, masquerade: {}}]
      networks: [{name: pod, pod: {}}]
      volumes: [{name: root, hostDisk: {path: $(disk "$1" "$2"), type: Disk}}]
VM
}

# A guest that runs on a, and an empty disk for it on b.
new_guest() {
    mkdir -p "$work/disks"
    "$source_root/tests/make-guest" --name "$1" "$(disk a "$1")"
    cp --sparse=always "$(disk a "$1")" "$work/disks/$1.orig"
    [ -f "$(disk b "$1")" ] || truncate -s 64M "$(disk b "$1")"
    machine a "$1" Always
    wait_until 90 is a vmi "$1" .status.phase Running
    wait_until 60 grep -qa second "$(console a "$1")"
}

# receiver HOME NAME ID: lets the machine come, waits for the addresses
receiver() {
    if k"$1" get vm "$2" >/dev/null 2>&1; then
        k"$1" patch vm "$2" --type merge -p '{"spec":{"runStrategy":"WaitAsReceiver"}}'
    else
        machine "$1" "$2" WaitAsReceiver
    fi
    wait_until 30 is "$1" vmi "$2" .status.phase WaitingForSync
    cat <<VMIM | k"$1" create -f -
apiVersion: kubevirt.io/v1
kind: VirtualMachineInstanceMigration
metadata: {name: $3}
spec: {vmiName: $2, receive: {migrationID: $3}}
VMIM
    wait_until 30 is "$1" vmim "$3" .status.phase WaitingForSync
}

# address HOME ID tls|unix
address() {
    get "$1" vmim "$2" '.status.synchronizationAddresses[*]' | tr ' ' '\n' |
        case $3 in unix) grep '^unix:' ;; *) grep -v '^unix:' ;; esac
}

# sender HOME NAME ID URL
sender() {
    cat <<VMIM | k"$1" create -f -
apiVersion: kubevirt.io/v1
kind: VirtualMachineInstanceMigration
metadata: {name: $3}
spec: {vmiName: $2, sendTo: {migrationID: $3, connectURL: "$4"}}
VMIM
}

# The guest NAME runs at HOME alone, and counts on from NUMBER.
runs_at() {
    wait_until 30 is "$1" vmi "$2" .status.phase Running
    same "$(copies "$2")" 1
    wait_until 20 counts_beyond "$1" "$2" "${3:-0}"
}

# A case begins: $one runs at home $1 alone, both homes run without faults, nothing slows a migration
# down or refuses it.  A guest that is not whole is left where it is, and there is a new one.
at() {
    faults_a= faults_b=
    for home in a b; do
        if is_gone $home || [ -n "$(cat "$work/$home.faults")" ]; then
            kill_home $home
            start_home $home
        fi
        rm -rf "$work/$home/node/premigration.d" "$work/$home/node/libvirt/etc/hooks/qemu.d"
        k$home delete migrationpolicies --all --timeout=20s >/dev/null
        kubectl --kubeconfig "$work/$home/kubeconfig" -n kubevirt delete kubevirts --all --timeout=20s >/dev/null
    done
    kb delete configmaps -l gantry.local/premigration-hook=true >/dev/null
    one=$(cat "$work/guest")
    [ ! -f "$work/disks/kept" ] || mv "$work/disks/kept" "$(disk b "$one")"
    number=$(($(cat "$work/number") + 1))
    echo $number >"$work/number"
    other=$([ "$1" = a ] && echo b || echo a)
    if ! is_whole a && ! is_whole b; then
        ka delete vm "$one" --wait=false || true
        kb delete vm "$one" --wait=false || true
        one=one-$number
        new_guest "$one"
        echo "$one" >"$work/guest"
    fi
    is_whole "$1" || {
        migrate "$other" "$1" "$one" "at-$number"
        arrived "$other" "$1" "$one" "at-$number"
    }
}

is_whole() { # HOME: $one runs there and nowhere else, and no migration has it
    is "$1" vmi "$one" .status.phase Running && is_alone "$one" &&
        ! k"$1" get vmim -o "jsonpath={.items[?(@.spec.vmiName=='$one')].status.phase}" |
        grep -Eq 'Running|Synchronizing|TargetReady'
}

# An address of the other kind each time.
migrate() { # FROM TO NAME ID [tls|unix]
    receiver "$2" "$3" "$4"
    before=$(count "$1" "$3")
    sender "$1" "$3" "$4" "$(address "$2" "$4" "${5:-unix}")"
}

arrived() { # FROM TO NAME ID: all that must be so afterwards
    wait_until 60 is "$1" vmim "$4" .status.phase Succeeded
    wait_until 30 is "$2" vmim "$4" .status.phase Succeeded
    runs_at "$2" "$3" "$before"
    is "$1" vm "$3" .spec.runStrategy Halted
    is "$2" vm "$3" .spec.runStrategy Always
    wait_until 20 sh -c "! kubectl --kubeconfig '$work/$1/kubeconfig' -n default get vmi '$3' 2>/dev/null"
    is "$2" vmim "$4" .status.migrationState.completed true
}

# What is left when a test went wrong while a gantryd was down.
end_leftovers() {
    for keeper in "$work"/?/node/libvirt/keeper.pid; do
        kill -9 "$(cat "$keeper")"
    done
    pkill -9 -f "guest=default_.*$work/"
}
cleanup_fn end_leftovers
cleanup_fn end_home a
cleanup_fn end_home b

homes_start() {
    start_home a
    start_home b
    at a
}

goes_there() {
    at a
    migrate a b "$one" there
    arrived a b "$one" there
    first=$(first_count b "$one")
    last=$(count a "$one")
    # by libvirt's event: its hook is told no reason in 9.0
    marker=machines/$(get a vm "$one" .metadata.uid)/migrated
    [ -f "$work/a/node/$marker" ] && [ ! -s "$work/a/node/$marker" ] || fail "no marker"
    [ ! -e "$work/b/node/machines/$(get b vm "$one" .metadata.uid)/migrated" ] || fail "a marker there too"
    [ "$((10#$first))" -le "$((10#$last + 2))" ] || fail "$last, then $first: a gap"
    [ "$((10#$first))" -ge "$((10#$last))" ] || fail "$last, then $first: it started anew"
    cmp "$(disk b "$one")" "$work/disks/$one.orig"
}

# The two homes trust each other.
homes_trust() {
    for pair in "a b" "b a"; do
        from=${pair% *} to=${pair#* }
        bundle=$(kubectl --kubeconfig "$work/$from/kubeconfig" -n kubevirt get configmap kubevirt-ca \
            -o 'jsonpath={.data.ca-bundle}')
        kubectl --kubeconfig "$work/$to/kubeconfig" -n kubevirt create configmap \
            kubevirt-external-ca --from-literal=ca-bundle="$bundle" --dry-run=client -o yaml |
            kubectl --kubeconfig "$work/$to/kubeconfig" apply -f -
    done
}

is_refused_without_trust() {
    at b
    receiver a "$one" untrusted
    sender b "$one" untrusted "$(address a untrusted tls)"
    wait_until 20 sh -c "kubectl --kubeconfig '$work/b/kubeconfig' -n default get vmim untrusted -o yaml |
        grep -q 'no other home is trusted'"
    kb delete vmim untrusted --timeout=30s
    ka delete vmim untrusted --timeout=30s
    runs_at b "$one"
}

# Back with TLS, there without, and so on; the guest never starts anew and its disk stays whole.
goes_back_and_forth() {
    at b
    homes_trust
    for i in $(seq "$rounds"); do
        migrate b a "$one" "back-$i" tls
        arrived b a "$one" "back-$i"
        migrate a b "$one" "forth-$i" unix
        arrived a b "$one" "forth-$i"
    done
    migrate b a "$one" back-last tls
    arrived b a "$one" back-last
    cmp "$(disk a "$one")" "$work/disks/$one.orig"
    # the console of each home goes on where it was left: the guest never began anew
    for home in a b; do
        grep -ao 'second [0-9]*' "$(console $home "$one")" | tr -dc '0-9\n' >"$work/numbers"
        sort -n -c "$work/numbers" || fail "it started anew"
    done
}

shows_how_it_went() {
    at a
    migrate a b "$one" shown
    arrived a b "$one" shown
    state=$(ka get vmim shown -o 'jsonpath={.status.migrationState}')
    for part in '"completed":true' '"dataTotal":' '"downtimeMs":' '"startTimestamp":' '"endTimestamp":' \
        '"targetNode":' '"virtualMachineInstanceUID":'; do
        contains "$state" "$part"
    done
    # the hooks ran: the definition has their mark, also the one for the next start
    for flag in "" --inactive; do
        xml=$(virsh_at b dumpxml $flag "default_$one")
        contains "$xml" 'hooks="folder volume'
        contains "$xml" "$(disk b "$one")"
        case $xml in *"$work/a/"* | *"$(disk a "$one")"*) fail "paths of the source are left" ;; esac
    done
}

two_go_at_once() {
    homes_trust
    new_guest two
    new_guest three
    for guest in two three; do
        receiver b $guest "at-once-$guest"
    done
    sender a two at-once-two "$(address b at-once-two unix)"
    sender a three at-once-three "$(address b at-once-three tls)"
    before=0
    arrived a b two at-once-two
    arrived a b three at-once-three
    cmp "$(disk b two)" "$work/disks/two.orig"
    cmp "$(disk b three)" "$work/disks/three.orig"
}

# With a policy that lets 1 MiB pass in a second the migration takes a minute.
slow_down() {
    cat <<POLICY | ka apply -f -
apiVersion: migrations.kubevirt.io/v1alpha1
kind: MigrationPolicy
metadata: {name: slow}
spec:
  selectors: {virtualMachineInstanceSelector: {guest: $1}}
  bandwidthPerMigration: 1Mi
POLICY
}

# stays HOME OTHER NAME: it counts on there, and nothing of it is at the other home
stays() {
    runs_at "$1" "$3" "$(count "$1" "$3")"
    wait_until 20 sh -c "! ls '$work/$2/node/libvirt/run/libvirt/qemu/default_$3.xml' 2>/dev/null"
    ! virsh_at "$2" domstate "default_$3" 2>/dev/null || fail "it is left at the other home"
    same "$(copies "$3")" 1
}

is_under_way() { # HOME ID
    get "$1" vmim "$2" .status.migrationState.progress.dataRemaining | grep -q '[1-9]'
}

is_canceled() {
    at a
    slow_down "$one"
    migrate a b "$one" canceled
    wait_until 30 is_under_way a canceled
    same "$(get a vmim canceled .status.migrationState.migrationPolicyName)" slow
    ka delete vmim canceled --timeout=40s
    wait_until 30 is b vmim canceled .status.phase Failed
    contains "$(get b vmim canceled .status.migrationState.failureReason)" canceled
    stays a b "$one"
}

is_canceled_at_the_target() {
    at a
    slow_down "$one"
    migrate a b "$one" canceled-there
    wait_until 30 is_under_way a canceled-there
    kb delete vmim canceled-there --timeout=60s
    wait_until 30 is a vmim canceled-there .status.phase Failed
    stays a b "$one"
}

is_refused_by_a_users_hook() {
    at a
    mkdir -p "$work/b/node/premigration.d"
    printf '#!/bin/sh\necho "not on a Sunday" >&2\nexit 1\n' >"$work/b/node/premigration.d/10-no"
    chmod +x "$work/b/node/premigration.d/10-no"
    migrate a b "$one" refused
    wait_until 60 is a vmim refused .status.phase Failed
    contains "$(get a vmim refused .status.migrationState.failureReason)" "not on a Sunday"
    rm "$work/b/node/premigration.d/10-no"
    stays a b "$one"
}

is_edited_by_a_config_map() {
    at a
    kb create configmap site --from-literal=site.yaml='edits: [{xpath: /domain/metadata, action: add,
        value: "<site xmlns=\"urn:site\">b</site>"}]'
    kb label configmap site gantry.local/premigration-hook=true
    migrate a b "$one" site
    arrived a b "$one" site
    contains "$(virsh_at b dumpxml "default_$one")" '<site xmlns="urn:site">b</site>'
}

is_refused_with_the_disks_reason() {
    at a
    mv "$(disk b "$one")" "$work/disks/kept"
    truncate -s 1M "$(disk b "$one")"
    migrate a b "$one" small
    wait_until 30 is a vmim small .status.phase Failed
    contains "$(get a vmim small .status.migrationState.failureReason)" 'disk "root"'
    mv "$work/disks/kept" "$(disk b "$one")"
    stays a b "$one"
}

# killed HOME COMMAND...: at the worst time for it, then looks after the guest
killed_under_way() {
    what=$1
    shift
    at a
    slow_down "$one"
    migrate a b "$one" "killed-$what"
    wait_until 30 is_under_way a "killed-$what"
    "$@"
    wait_until 90 is a vmim "killed-$what" .status.phase Failed
    wait_until 60 sh -c "kubectl --kubeconfig '$work/a/kubeconfig' -n default get vmim 'killed-$what' \
        -o 'jsonpath={.status.conditions[?(@.type==\"TargetReleased\")].status}' | grep -q True"
    stays a b "$one"
}

kill_libvirtd() { # HOME
    kill -9 "$(cat "$work/$1/node/libvirt/run/libvirtd.pid")"
}

# As if libvirtd had been killed when it had noted the machine and QEMU had no process yet: it notes it
# anew for each reason why it calls it tainted, within a few milliseconds before.
kill_libvirtd_early() {
    note=$work/b/node/libvirt/run/libvirt/qemu/default_$one.xml
    keeper=$(cat "$work/b/node/libvirt/keeper.pid")
    kill -STOP "$keeper"
    kill_libvirtd b
    kill -9 "$(sed -n "s/^<domstatus .*pid='\([0-9]*\)'.*/\1/p" "$note")"
    sed -i "s/^<domstatus .*/<domstatus state='paused' reason='starting up' pid='0'>/" "$note"
    grep -q "async='migration in'" "$note" || fail "it does not arrive"
    kill -CONT "$keeper"
}

kill_and_start() { # HOME
    kill_home "$1"
    start_home "$1"
}

# The source's word does not reach the target until it is started anew: in between the machine is off
# here and waits there, and it is neither lost nor started twice.
survives_a_source_that_dies_before_its_word() {
    at a
    kill_home a
    faults_a=live.before-go=kill@1
    start_home a
    migrate a b "$one" before-go
    wait_until 60 is_gone a
    wait_until 20 is_alone "$one"
    sleep 2
    last=$(count b "$one")
    [ -z "$last" ] || [ "$((10#$last))" -le "$((10#$before + 10))" ] || fail "it ran without the word"
    faults_a=
    start_home a
    arrived a b "$one" before-go
}

survives_a_target_that_dies_at_the_landing() {
    at b
    for point in live.before-landing live.after-landing; do
        kill_home a
        faults_a="$point=kill@1"
        start_home a
        migrate b a "$one" "back-$point"
        wait_until 60 is_gone a
        faults_a=
        start_home a
        arrived b a "$one" "back-$point"
        migrate a b "$one" "forth-$point"
        arrived a b "$one" "forth-$point"
    done
}

survives_a_source_that_dies_before_it_cleans_up() {
    at b
    kill_home a
    faults_a=
    start_home a
    migrate b a "$one" home
    arrived b a "$one" home
    kill_home a
    faults_a=live.before-source-is-removed=kill@1
    start_home a
    migrate a b "$one" clean-up
    wait_until 60 is_gone a
    same "$(copies "$one")" 1
    faults_a=
    start_home a
    arrived a b "$one" clean-up
}

starts_again_at_its_new_home() {
    at b
    uuid=$(get b vm "$one" .spec.template.spec.domain.firmware.uuid)
    kb patch vm "$one" --type merge -p '{"spec":{"runStrategy":"Halted"}}'
    wait_until 60 sh -c "! kubectl --kubeconfig '$work/b/kubeconfig' -n default get vmi '$one' 2>/dev/null"
    kb patch vm "$one" --type merge -p '{"spec":{"runStrategy":"Always"}}'
    runs_at b "$one"
    pgrep -fa "guest=default_$one,.*$work/" | grep -q -- "-uuid $uuid" || fail "it has another UUID than $uuid"
}

# What is to be known of a case that failed.
show_homes() {
    for home in a b; do
        echo "--- home $home"
        k$home get vmim,vmi,vm --no-headers
        k$home get vmim -o jsonpath='{range .items[*]}{.metadata.name}{": "}{.status.phase}{" "}{.status.migrationState.failureReason}{" "}{.status.conditions[*].reason}{"\n"}{end}' | tail -n 3
        virsh_at $home list --all
        tail -n 25 "$work/$home.log"
        tail -n 8 "$work/$home/node/libvirt/log/libvirtd.log"
    done 2>&1
    pgrep -fa "guest=default_.*$work/" | cut -c 1-100
}

# case_of FUNCTION ARGS...: in the shell of `it`
case_of() {
    trap 'ended=$?; case $ended in 0 | 77) ;; *) set +e; show_homes ;; esac; exit $ended' EXIT
    "$@"
}

# --- what policies and homes ask for --------------------------------------------------------------------

# policy GUEST SETTINGS: for that guest alone
policy() {
    cat <<POLICY | ka apply -f -
apiVersion: migrations.kubevirt.io/v1alpha1
kind: MigrationPolicy
metadata: {name: "for-$1"}
spec: {selectors: {virtualMachineInstanceSelector: {guest: $1}}, $2}
POLICY
}

# What QEMU at home a answers to a question about the guest's migration.
qemu_says() {
    virsh_at a qemu-monitor-command "default_$one" "{\"execute\": \"$1\"}"
}

# Disk and memory are 64 MiB each: a disk that both homes see is not among the data.
keeps_a_shared_disk() {
    at a
    homes_trust
    new_guest shared
    migrate a b shared shared-there
    arrived a b shared shared-there
    total=$(get a vmim shared-there .status.migrationState.progress.dataTotal)
    [ "$total" -gt 0 ] && [ "$total" -lt $((110 << 20)) ] || fail "$total bytes: the disk was copied"
    contains "$(virsh_at b domblklist default_shared)" "$work/disks/shared.img"
    migrate b a shared shared-back tls
    arrived b a shared shared-back
    cmp "$work/disks/shared.img" "$work/disks/shared.orig"
    ka delete vm shared --timeout=30s
    kb delete vm shared --timeout=30s
}

has_what_its_policy_says() {
    at a
    policy "$one" "bandwidthPerMigration: 2Mi, allowAutoConverge: true"
    migrate a b "$one" converge
    wait_until 30 is_under_way a converge
    contains "$(qemu_says query-migrate-capabilities)" '{"state":true,"capability":"auto-converge"}'
    contains "$(qemu_says query-migrate-parameters)" '"max-bandwidth":2097152'
    ka delete vmim converge --timeout=40s
    stays a b "$one"
}

# Three seconds for 64 MiB at 2 MiB in a second.
ends_when_it_takes_too_long() {
    at a
    policy "$one" "bandwidthPerMigration: 2Mi, completionTimeoutPerGiB: 3"
    migrate a b "$one" too-long
    wait_until 60 is a vmim too-long .status.phase Failed
    contains "$(get a vmim too-long .status.migrationState.failureReason)" completionTimeoutPerGiB
    stays a b "$one"
}

can_post_copy() {
    [ "$(cat /proc/sys/vm/unprivileged_userfaultfd 2>/dev/null || echo 1)" = 1 ]
}

runs_there_before_its_memory_is_there() {
    at a
    can_post_copy || skip "vm.unprivileged_userfaultfd is 0"
    policy "$one" "bandwidthPerMigration: 2Mi, completionTimeoutPerGiB: 3, allowPostCopy: true"
    migrate a b "$one" post-copy
    arrived a b "$one" post-copy
    same "$(get a vmim post-copy .status.migrationState.mode)" PostCopy
    cmp "$(disk b "$one")" "$work/disks/$one.orig"
}

# Where it cannot be, that is said before anything moves, and the migration does without.
says_that_post_copy_cannot_be() {
    at a
    ! can_post_copy || skip "vm.unprivileged_userfaultfd is 1"
    policy "$one" "allowPostCopy: true"
    migrate a b "$one" no-post-copy
    arrived a b "$one" no-post-copy
    same "$(get a vmim no-post-copy .status.migrationState.mode)" PreCopy
    contains "$(ka get events -o yaml)" "vm.unprivileged_userfaultfd is 0"
}

is_refused_with_the_gate_off() {
    at a
    cat <<KUBEVIRT | kubectl --kubeconfig "$work/b/kubeconfig" apply -f -
apiVersion: kubevirt.io/v1
kind: KubeVirt
metadata: {name: kubevirt, namespace: kubevirt}
spec: {configuration: {developerConfiguration: {disabledFeatureGates: [TargetSideMigrationHooks]}}}
KUBEVIRT
    migrate a b "$one" gate-off
    wait_until 30 is a vmim gate-off .status.phase Failed
    contains "$(get a vmim gate-off .status.migrationState.failureReason)" "feature gate"
    kubectl --kubeconfig "$work/b/kubeconfig" -n kubevirt delete kubevirt kubevirt --timeout=20s
    stays a b "$one"
}

# Questions as another home would ask them, on the target's socket, one word of each wrong.
is_refused_before_it_begins() {
    at a
    receiver b "$one" preflight
    uuid=$(sed -n 's/^host_uuid = "\(.*\)"/\1/p' "$work/b/node/libvirt/etc/libvirtd.conf")
    python3 "$source_root/tests/fakes/live_questions.py" "$(address b preflight unix)" "$uuid"
    kb delete vmim preflight --timeout=30s
    ! virsh_at b domstate "default_$one" || fail "something is left"
    runs_at a "$one"
}

# ONLY="1 2 7" runs those alone
wanted=0
that() {
    wanted=$((wanted + 1))
    title=$1
    shift
    case " ${ONLY:-$wanted} " in
    *" $wanted "*) it "$title" case_of "$@" ;;
    *) it "$title" skip "not asked for" ;;
    esac
}

plan 27
that "two homes and a guest start" homes_start
that "goes to the other home with its disk, and counts on" goes_there
that "is refused where the homes do not trust each other" is_refused_without_trust
that "goes back and forth, with TLS and without" goes_back_and_forth
that "shows how it went, and that the hooks ran" shows_how_it_went
that "two go at once" two_go_at_once
that "is canceled, and stays" is_canceled
that "is canceled at the target, and stays" is_canceled_at_the_target
that "is refused by a user's hook, with its words" is_refused_by_a_users_hook
that "is edited by a hook in a ConfigMap" is_edited_by_a_config_map
that "is refused when its disk does not fit" is_refused_with_the_disks_reason
that "stays when the target's agent is killed" killed_under_way target kill_and_start b
that "stays when the source's agent is killed" killed_under_way source kill_and_start a
that "stays when the target's libvirtd is killed" killed_under_way target-libvirtd kill_libvirtd b
that "stays when the target's libvirtd is killed before QEMU starts" killed_under_way early kill_libvirtd_early
that "stays when the source's libvirtd is killed" killed_under_way source-libvirtd kill_libvirtd a
that "survives a source that dies before its word" survives_a_source_that_dies_before_its_word
that "survives a target that dies at the landing" survives_a_target_that_dies_at_the_landing
that "survives a source that dies before it cleans up" survives_a_source_that_dies_before_it_cleans_up
that "starts again at its new home with its UUID" starts_again_at_its_new_home
that "does not copy a disk that both homes see" keeps_a_shared_disk
that "has the bandwidth and auto-converge of its policy" has_what_its_policy_says
that "is ended when it takes longer than its policy allows" ends_when_it_takes_too_long
that "runs at the target before all its memory is there" runs_there_before_its_memory_is_there
that "says that post-copy cannot be, and does without" says_that_post_copy_cannot_be
that "is refused where the hooks' feature gate is off" is_refused_with_the_gate_off
that "is refused before it begins, with the reason" is_refused_before_it_begins
finish
