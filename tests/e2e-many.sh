#!/bin/sh
# A plan of many machines with three disks each: the limit of how many move at once is kept, and all
# disks are the source's.  MACHINES says how many (20).
. "$(dirname "$0")/functions.sh"
. "$(dirname "$0")/e2e/home.sh"
home_requires
home_up

MACHINES=${MACHINES:-20}
LIMIT=3

cat <<EOF | kubectl apply -f - >/dev/null
apiVersion: forklift.konveyor.io/v1beta1
kind: ForkliftController
metadata: {name: forklift-controller, namespace: $NS}
spec: {controller_max_vm_inflight: $LIMIT}
EOF
vms=
for n in $(seq "$MACHINES"); do
    ova "$work/source" "m$n" 3 --network "VM Network" --mac "52:54:00:00:03:$(printf %02x "$n")"
    vms="$vms{name: m$n}, "
done
provider many "$work/source" >/dev/null
maps many >/dev/null

running() {
    kubectl get plan many -n $NS -o json | python3 -c '
import json, sys
vms = json.load(sys.stdin)["status"].get("migration", {}).get("vms", [])
print(sum(1 for v in vms if v.get("started") and not v.get("completed")))'
}

moves_all_of_them() {
    wait_until 60 has_condition provider many Ready
    new_plan many many "[${vms%, }]"
    wait_until 60 has_condition plan many Ready
    migrate many
    most=0
    until is_over many; do
        now=$(running)
        [ "$now" -le "$most" ] || most=$now
        [ "$(date +%s)" -lt "$stop" ] || fail "not over in time"
    done
    echo "at most $most at once"
    [ "$most" -le "$LIMIT" ]
    [ "$most" -gt 1 ]
    has_condition migration many Succeeded || fail "$(vm_error many)"
}

every_disk_is_the_sources() {
    for n in $(seq "$MACHINES"); do
        for i in 0 1 2; do
            qemu-img compare -q -f raw -F raw "$(disk_of to-many "m$n" $i)" "$work/m$n-$((i + 1)).raw"
        done
    done
    same "$(count vm to-many)" "$MACHINES"
    same "$(count pvc to-many)" "$((MACHINES * 3))"
    same "$(count pods to-many)" 0
}

plan 2
stop=$(($(date +%s) + 600))
it "moves $MACHINES machines, $LIMIT at once" moves_all_of_them
it "copies every disk as it was" every_disk_is_the_sources
finish
