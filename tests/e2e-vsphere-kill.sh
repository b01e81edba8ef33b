#!/bin/sh
# kill -9 of gantryd or an importer at random moments of warm and cold migrations from vSphere: each
# ends Succeeded with every byte, or Failed with a reason and the source running as before; never
# with a snapshot or a lease on the source or anything at home.  KILLS says how often (6), SEED from
# which moments, ACCESS by which way disks are read: https, vddk (then the process that has the library
# is killed, too) or export (cold only).
. "$(dirname "$0")/functions.sh"
. "$(dirname "$0")/e2e/home.sh"
. "$(dirname "$0")/e2e/vcenter.sh"
home_requires
requires openssl "the fake vCenter needs a certificate"
requires curl "tests steer the fake vCenter with it"
export PRECOPY_INTERVAL=1s GUEST_SHUTDOWN_TIMEOUT=3s
home_up
KILLS=${KILLS:-6}
SEED=${SEED:-$(date +%s)}
ACCESS=${ACCESS:-https}
settings="{sdkEndpoint: vcenter, diskAccess: $ACCESS}"
if [ "$ACCESS" = vddk ]; then
    mkdir -p "$work/vddk/lib64" "$work/vddk/content"
    ln -s "$work/vddk/content" "$work/datastore"
    cp "$BUILD/tests/libvixDiskLib.so.8" "$work/vddk/lib64/"
    echo latency-ms=20 >"$work/vddk/dummy.conf"
    settings="{sdkEndpoint: vcenter, vddkInitImage: $work/vddk}"
fi
vcenter_up --task-ms 80 --shutdown-ms 250 --lease-ms 6000 \
    --machine "name=web,disk=24Mi,disk=8Mi,memory=64,writer=1000000,nic=VirtualVmxnet3"
vc "write?vm=web&disk=0&percent=70" >/dev/null
vsphere_provider vc "$settings" >/dev/null
vsphere_maps vc >/dev/null
wait_until 60 has_condition provider vc Ready

victims() {
    case $1 in
    gantryd) pgrep -f "gantryd .*--dir $work/home" ;;
    importer) processes "gantry-copy .*--progress=json" ;;
    helper) processes "gantry-$([ "$ACCESS" = vddk ] && echo vddk || echo export)" ;;
    esac
}

has_no_lease() {
    vc state | grep -q '"open": *0'
}

is_gone() {
    ! kill -0 "$1" 2>/dev/null
}

# round N VICTIM MILLISECONDS TYPE
round() {
    name=k$1
    vc "power?vm=web&on=1"
    new_plan "$name" vc "[{name: web}]" "type: $4"
    wait_until 60 has_condition plan "$name" Ready || { conditions plan "$name"; return 1; }
    migrate "$name"
    [ "$4" = cold ] || cutover "$name" "$(date -u -d '+4 sec' +%Y-%m-%dT%H:%M:%SZ)"
    sleep "$(python3 -c "print($3 / 1000)")" # the moment is the point of the test
    # copies are short: the next one, if the machine is not past them
    tries=0
    until killed=$(victims "$2" | tr '\n' ' ') && [ -n "$killed" ] || [ $tries -ge 100 ]; do
        tries=$((tries + 1))
        sleep 0.02
    done
    echo "killing $2 after $3 ms: $killed, phase $(vm_status "$name" .phase)"
    # shellcheck disable=SC2086
    [ -z "$killed" ] || kill -9 $killed 2>/dev/null || true # it may just have ended
    if [ "$2" = gantryd ]; then
        wait_until 30 is_gone "${killed%% *}" # with its lock
        ASAN_OPTIONS=detect_leaks=0 "$bin/gantry" up --dir "$work/home" || {
            tail -5 "$work/home/gantryd.log"
            return 1
        }
    fi
    wait_until 120 is_over "$name" || { tail -40 "$work/home/gantryd.log"; return 1; }
    same "$(vc_state web snapshots)" 0
    wait_until 20 has_no_lease
    same "$(helpers "to-$name")" 0
    if has_condition migration "$name" Succeeded; then
        same "$(vc_state web on)" false
        for i in 0 1; do
            same "$(sum "$(disk_of "to-$name" web $i)")" "$(sum "$(source_disk web $i)")"
        done
        kubectl delete vm web -n "to-$name" --timeout=60s
    else
        contains "$(vm_error "$name")" '"' # a reason
        echo "failed: $(vm_error "$name")"
        same "$(vc_state web on)" true
    fi
    kubectl delete plan "$name" -n $NS --timeout=60s
    wait_until 60 target_is_empty "$name"
    same "$(helpers "to-$name")" 0
}

python3 - "$KILLS" "$SEED" "$ACCESS" >"$work/moments" <<'PY'
import random, sys
random.seed(int(sys.argv[2]))
span = {("gantryd", "warm"): (0, 9000), ("importer", "warm"): (0, 4500),
        ("gantryd", "cold"): (0, 5000), ("importer", "cold"): (0, 1200)}
if sys.argv[3] == "vddk":
    span |= {("helper", "warm"): (0, 4500), ("helper", "cold"): (0, 1200)}
if sys.argv[3] == "export":
    span = {(who, "cold"): span["gantryd", "cold"] for who in ("gantryd", "importer", "helper")}
names = list(span)
for i in range(int(sys.argv[1])):
    victim, kind = names[i % len(names)]
    print(i + 1, victim, random.randint(*span[victim, kind]), kind)
PY
plan "$KILLS"
while read -r number victim moment kind; do
    it "survives kill -9 of $victim after $moment ms, $kind, $ACCESS (seed $SEED)" \
        round "$number" "$victim" "$moment" "$kind" </dev/null
done <"$work/moments"
finish
