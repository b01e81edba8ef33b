#!/bin/sh
# Disks of a fake vCenter by export leases: chosen where nothing else reads them, or as the user says.
. "$(dirname "$0")/functions.sh"
. "$(dirname "$0")/e2e/home.sh"
. "$(dirname "$0")/e2e/vcenter.sh"
home_requires
requires openssl "the fake vCenter needs a certificate"
requires curl "tests steer the fake vCenter with it"
home_up
nic=nic=VirtualVmxnet3
vcenter_up --task-ms 50 --shutdown-ms 200 \
    --machine "name=parted,disk=24Mi,disk=8Mi,memory=64,$nic" \
    --machine "name=far,disk=8Mi,datastore=vsan,disk=8Mi,memory=64,power=off,$nic" \
    --machine "name=cut,disk=16Mi,memory=64,$nic"
for vm in parted far cut; do
    vc "write?vm=$vm&disk=0&percent=40" >/dev/null
done
vc "snapshot?vm=parted"
vc "write?vm=parted&disk=0&percent=10" >/dev/null
vsphere_provider vc >/dev/null
vsphere_provider export '{sdkEndpoint: vcenter, diskAccess: export}' >/dev/null
vsphere_maps vc >/dev/null
vsphere_maps export >/dev/null

leases() {
    vc state | python3 -c 'import json, sys; print(json.load(sys.stdin)["leases"][sys.argv[1]])' "$1"
}

moves_a_machine_whose_disks_are_parted_by_a_snapshot() {
    new_plan parted vc "[{name: parted}]" "targetPowerState: 'off'"
    wait_until 60 has_condition plan parted Ready
    contains "$(conditions plan parted)" "an export lease"
    migrate parted
    ends parted Succeeded 90
    vc "save?vm=parted&disk=0&to=$work/parted-0.raw"
    vc "save?vm=parted&disk=1&to=$work/parted-1.raw"
    same "$(sum "$(disk_of to-parted parted 0)")" "$(sum "$work/parted-0.raw")"
    same "$(sum "$(disk_of to-parted parted 1)")" "$(sum "$work/parted-1.raw")"
    contains "$(vm_status parted '.pipeline[*].tasks[*].annotations.access')" "an export lease"
    same "$(leases completed)" 2
    same "$(leases open)" 0
    same "$(vc_state parted snapshots)" 1 # the user's
    same "$(helpers to-parted)" 0
}

reads_vsan_where_the_user_says_so() {
    new_plan warm export "[{name: far}]" "type: warm"
    wait_until 30 has_condition plan warm VDDKInitImageUnavailable
    contains "$(conditions plan warm)" "cannot be read of a snapshot without VDDK"
    new_plan far export "[{name: far}]" "targetPowerState: 'off'"
    wait_until 60 has_condition plan far Ready
    migrate far
    ends far Succeeded 90
    same "$(sum "$(disk_of to-far far 0)")" "$(sum "$(source_disk far 0)")"
    same "$(sum "$(disk_of to-far far 1)")" "$(sum "$(source_disk far 1)")"
}

leaves_nothing_when_a_lease_breaks() {
    vc "fault?set=export-cut"
    new_plan cut export "[{name: cut}]"
    wait_until 60 has_condition plan cut Ready
    migrate cut
    ends cut Failed 90
    vc "fault"
    contains "$(vm_error cut)" "export of disk 2000 of machine"
    same "$(leases open)" 0
    same "$(vc_state cut on)" true
    same "$(helpers to-cut)" 0
    kubectl delete plan cut -n $NS --timeout=60s
    wait_until 20 target_is_empty cut
}

plan 3
it "moves a machine whose disks a snapshot parts into files" moves_a_machine_whose_disks_are_parted_by_a_snapshot
it "reads vSAN by an export lease where the user says so" reads_vsan_where_the_user_says_so
it "leaves nothing when a lease breaks" leaves_nothing_when_a_lease_breaks
finish
