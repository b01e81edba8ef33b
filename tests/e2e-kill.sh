#!/bin/sh
# kill -9 of gantryd, an importer, a hook or libvirtd at random moments of a migration: each ends
# Succeeded, or fails with a true reason, and nothing is left.  KILLS says how often (4), SEED from
# which moments.
. "$(dirname "$0")/functions.sh"
. "$(dirname "$0")/e2e/home.sh"
home_requires
home_up

KILLS=${KILLS:-4}
SEED=${SEED:-$(date +%s)}

ova "$work/source" web 2 --network "VM Network" --mac 52:54:00:00:02:01
provider source "$work/source" >/dev/null
maps source >/dev/null
cat >"$work/quick.yml" <<'EOF'
- hosts: localhost
  gather_facts: false
  vars_files: [workload.yml]
  tasks: [{debug: {msg: "{{ vm.vm1.vm0.name }}"}}]
EOF
hook quick "$work/quick.yml" >/dev/null
wait_until 30 has_condition provider source Ready
source_sum=$(sum "$work/source/web.ova")

# The processes that a victim's name stands for.
victims() {
    case $1 in
    gantryd) pgrep -f "gantryd .*--dir $work/home" ;;
    importer) processes "gantry-copy --progress=json" ;;
    hook) processes "ansible-playbook" ;;
    libvirtd) pgrep -f "libvirtd.*$work/home" ;;
    esac
}

is_gone() {
    ! kill -0 "$1" 2>/dev/null
}

nothing_is_left() {
    for left_kind in plan migration; do
        kubectl delete "$left_kind" "$1" -n $NS --ignore-not-found --timeout=60s
    done
    kubectl delete vm --all -n "to-$1" --timeout=60s
    wait_until 60 target_is_empty "$1"
    wait_until 30 no_volumes
    same "$(kubectl get job,cm -n $NS -l resource=hook-config -o name | wc -l)" 0
    wait_until 20 no_helpers
    ! grep "$work/home" /proc/mounts
}

no_volumes() {
    [ "$(kubectl get pv -o name | wc -l)" = 0 ] &&
        [ "$(find "$work/home/node" -name disk.img | wc -l)" = 0 ]
}

no_helpers() {
    no_process "gantry-copy --progress=json" && no_process "ansible-playbook" && ! pgrep -f "qemu-system.*$work/home"
}

# round N VICTIM MILLISECONDS
round() {
    name=k$1
    new_plan "$name" source "[{name: web, hooks: [{step: PreHook, hook: {name: quick, namespace: $NS}}, {step: PostHook, hook: {name: quick, namespace: $NS}}]}]" \
        'targetPowerState: "on"'
    wait_until 30 has_condition plan "$name" Ready || { conditions plan "$name"; return 1; }
    migrate "$name"
    sleep "$(python3 -c "print($3 / 1000)")" # the moment is the point of the test
    killed=$(victims "$2" | tr '\n' ' ')
    echo "killing $2 after $3 ms: $killed"
    # shellcheck disable=SC2086
    [ -z "$killed" ] || kill -9 $killed 2>/dev/null || true # it may just have ended
    if [ "$2" = gantryd ]; then
        wait_until 30 is_gone "${killed%% *}" # with its lock
        ASAN_OPTIONS=detect_leaks=0 "$bin/gantry" up --dir "$work/home"
    fi
    wait_until 120 is_over "$name" || { tail -40 "$work/home/gantryd.log"; return 1; }
    if has_condition migration "$name" Succeeded; then
        for i in 0 1; do
            [ -f "$(disk_of "to-$name" web $i)" ]
        done
    else
        contains "$(vm_error "$name")" '"' # a reason
        echo "failed: $(vm_error "$name")"
        kubectl get vm -n "to-$name" -o name | grep -q . || target_is_empty "$name"
    fi
    same "$(sum "$work/source/web.ova")" "$source_sum"
    nothing_is_left "$name"
}

python3 - "$KILLS" "$SEED" >"$work/moments" <<'EOF'
import random, sys
random.seed(int(sys.argv[2]))
span = {"gantryd": (0, 5000), "importer": (900, 2000), "hook": (100, 1400), "libvirtd": (1500, 4500)}
names = list(span)
for i in range(int(sys.argv[1])):
    name = names[i % len(names)]
    print(i + 1, name, random.randint(*span[name]))
EOF
plan "$KILLS"
while read -r number victim moment; do
    it "survives kill -9 of $victim after $moment ms (seed $SEED)" round "$number" "$victim" "$moment" </dev/null
done <"$work/moments"
finish
