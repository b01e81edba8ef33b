#!/bin/sh
# Warm migrations of a machine that keeps writing: what each copy moves, and that nothing is lost.
# DISK (in MiB, 256) is the size of its disk.
. "$(dirname "$0")/functions.sh"
. "$(dirname "$0")/e2e/home.sh"
. "$(dirname "$0")/e2e/vcenter.sh"
home_requires
requires openssl "the fake vCenter needs a certificate"
requires curl "tests steer the fake vCenter with it"
export PRECOPY_INTERVAL=3s
DISK=${DISK:-256}
home_up
nic=nic=VirtualVmxnet3
vcenter_up --task-ms 100 --shutdown-ms 400 \
    --machine "name=load,disk=${DISK}Mi,memory=64,$nic" \
    --machine "name=busy,disk=64Mi,memory=64,writer=3000000,$nic" \
    --machine "name=shape,disk=8Mi,disk=8Mi,memory=64,$nic"
vc "write?vm=load&disk=0&percent=80" >/dev/null
vsphere_provider vc >/dev/null
vsphere_maps vc >/dev/null

begins() {
    new_plan "$1" vc "[{name: $1}]" "type: warm"
    wait_until 60 has_condition plan "$1" Ready
    migrate "$1"
    wait_until 120 has_precopies "$1" 1
}

# copied_twice_more MIGRATION: after two more copies a change is surely copied
copied_twice_more() {
    copies=$(precopies "$1")
    wait_until 120 has_precopies "$1" $((copies + 2))
}

moves_what_changed() {
    begins load
    for percent in 1 10 60; do
        wait_until 60 vm_is load CopyingPaused
        copied_twice_more load # nothing is under way any more
        before=$(vc_served)
        changed=$(vc "write?vm=load&disk=0&percent=$percent" | tr -dc 0-9)
        copied_twice_more load
        moved=$(($(vc_served) - before))
        echo "$percent % changed: $changed bytes, moved: $moved" >>"$work/figures"
        [ "$moved" -ge "$changed" ]
        [ $((moved * 100)) -le $((changed * 105)) ]
    done
    vc "write?vm=load&disk=0&percent=10"
    cutover load
    ends load Succeeded 120
    same "$(sum "$(disk_of to-load load 0)")" "$(sum "$(source_disk load)")"
    same "$(vc_state load snapshots)" 0
    tail -n 3 "$work/figures"
    show_downtime load
}

show_downtime() {
    vm_status "$1" '.pipeline[?(@.name=="Cutover")]' | python3 -c '
import json, sys
step = json.load(sys.stdin)
print("downtime: %s s, last copy: %s bytes" % (step["annotations"]["downtimeSeconds"],
    sum(int(task["annotations"]["changedBytes"]) for task in step["tasks"])))' >>"$work/figures"
}

loses_nothing_of_a_busy_guest() {
    begins busy
    copied_twice_more busy
    cutover busy
    ends busy Succeeded 120
    same "$(sum "$(disk_of to-busy busy 0)")" "$(sum "$(source_disk busy)")"
    show_downtime busy
}

takes_a_cutover_that_is_changed() {
    kubectl delete vm --all -n to-busy
    vc "power?vm=busy&on=1"
    new_plan later vc "[{name: busy}]" "type: warm"
    wait_until 60 has_condition plan later Ready
    migrate later
    cutover later "$(date -u -d '+1 hour' +%Y-%m-%dT%H:%M:%SZ)"
    wait_until 60 has_precopies later 2
    kubectl patch migration later -n $NS --type json -p '[{"op":"remove","path":"/spec/cutover"}]'
    wait_until 60 has_precopies later 3
    cutover later "$(TZ=UTC-9 date -d '+3 sec' +%Y-%m-%dT%H:%M:%S)+09:00"
    ends later Succeeded 60
    same "$(sum "$(disk_of to-later busy 0)")" "$(sum "$(source_disk busy)")"
}

follows_disks_that_come_and_go() {
    begins shape
    vc "fault?set=removal-stuck" # no snapshot, no copy: time to change the machine
    wait_until 60 vm_is shape WaitForPreviousSnapshotRemoval
    vc "fault"
    vc "add-disk?vm=shape&bytes=4194304"
    vc "write?vm=shape&disk=2&percent=50"
    copied_twice_more shape
    vc "write?vm=shape&disk=0&percent=20"
    vc "remove-disk?vm=shape&disk=1"
    copied_twice_more shape
    cutover shape
    ends shape Succeeded 120
    same "$(kubectl get pvc -n to-shape -o name | wc -l)" 2
    same "$(sum "$(disk_of to-shape shape 0)")" "$(sum "$(source_disk shape)")"
    same "$(sum "$(disk_of to-shape shape 1)")" "$(sum "$(source_disk shape 2)")"
}

# grows BYTES: as soon as no snapshot is in the way
grows() {
    vc "grow?vm=shape&disk=0&bytes=$1" 2>/dev/null
}

follows_a_disk_that_grows() {
    kubectl delete vm --all -n to-shape
    vc "power?vm=shape&on=1"
    new_plan grown vc "[{name: shape}]" "type: warm"
    wait_until 60 has_condition plan grown Ready
    migrate grown
    wait_until 60 has_precopies grown 1
    wait_until 60 grows 12582912
    vc "write?vm=shape&disk=0&percent=60"
    copied_twice_more grown
    vc "write?vm=shape&disk=0&percent=10"
    cutover grown
    ends grown Succeeded 120
    same "$(stat -c %s "$(disk_of to-grown shape 0)")" 12582912
    same "$(sum "$(disk_of to-grown shape 0)")" "$(sum "$(source_disk shape)")"
    same "$(vc_state shape snapshots)" 0
}

reads_all_again_when_the_record_of_changes_is_new() {
    kubectl delete vm --all -n to-grown
    vc "power?vm=shape&on=1"
    new_plan anew vc "[{name: shape}]" "type: warm"
    wait_until 60 has_condition plan anew Ready
    migrate anew
    wait_until 60 has_precopies anew 1
    vc "reset-tracking?vm=shape"
    vc "write?vm=shape&disk=0&percent=20"
    copied_twice_more anew
    cutover anew
    ends anew Succeeded 60
    contains "$(vm_status anew .conditions)" DiskReadAgain
    same "$(sum "$(disk_of to-anew shape 0)")" "$(sum "$(source_disk shape)")"
}

plan 6
it "moves what changed, 1 %, 10 % and 60 %, and little more" moves_what_changed
it "loses nothing of a guest that writes all the time" loses_nothing_of_a_busy_guest
it "takes a cutover that is set, taken back and set anew" takes_a_cutover_that_is_changed
it "follows disks that come and go between copies" follows_disks_that_come_and_go
it "follows a disk that grows between copies" follows_a_disk_that_grows
it "reads a disk again whose record of changes was begun anew" reads_all_again_when_the_record_of_changes_is_new
sed 's/^/# /' "$work/figures"
finish
