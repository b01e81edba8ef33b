#!/bin/sh
# Machines of a fake vCenter moved by a real gantry at home: cold, warm, canceled, refused.
. "$(dirname "$0")/functions.sh"
. "$(dirname "$0")/e2e/home.sh"
. "$(dirname "$0")/e2e/vcenter.sh"
home_requires
requires openssl "the fake vCenter needs a certificate"
requires curl "tests steer the fake vCenter with it"
export PRECOPY_INTERVAL=2s GUEST_SHUTDOWN_TIMEOUT=3s
home_up
head -c 3000000 /dev/urandom >"$work/content.raw"
truncate -s 16M "$work/content.raw"
nic=nic=VirtualVmxnet3
vcenter_up --task-ms 100 --shutdown-ms 400 \
    --machine "name=cold,disk=$work/content.raw,disk=8Mi,memory=64,$nic" \
    --machine "name=stubborn,disk=4Mi,memory=64,$nic" \
    --machine "name=warm,disk=64Mi,disk=8Mi,memory=64,$nic" \
    --machine "name=back,disk=8Mi,memory=64,$nic" \
    --machine "name=far,disk=8Mi,datastore=vsan,disk=8Mi,memory=64,$nic" \
    --machine "name=plain,disk=4Mi,ctk=off,memory=64,$nic"
vc "write?vm=cold&disk=1&percent=30" >/dev/null
vc "write?vm=warm&disk=0&percent=50" >/dev/null
vsphere_provider vc >/dev/null
vsphere_maps vc >/dev/null

is_ready() {
    wait_until 60 has_condition "$1" "$2" Ready || {
        conditions "$1" "$2"
        return 1
    }
}

loads_the_inventory() {
    is_ready provider vc
    uid=$(kubectl get provider vc -n $NS -o 'jsonpath={.metadata.uid}')
    vms=$(kubectl get --raw "/providers/vsphere/$uid/vms?detail=4")
    contains "$vms" '"path":"/DC/vm/cold"'
    contains "$(kubectl get --raw "/providers/vsphere/$uid/workloads/$(vc_id cold)")" '"cluster"'
}

moves_a_cold_machine() {
    new_plan cold vc "[{id: $(vc_id cold)}]"
    is_ready plan cold
    migrate cold
    ends cold Succeeded 120
    for i in 0 1; do
        same "$(sum "$(disk_of to-cold cold $i)")" "$(sum "$(source_disk cold $i)")"
    done
    same "$(vc_state cold on)" false
    same "$(vc_state cold snapshots)" 0
    contains "$(vm_status cold .conditions)" GuestShutDown
    contains "$(vm_status cold '.pipeline[*].tasks[*].annotations.access')" "HTTPS from the datastore"
    same "$(helpers to-cold)" 0
    same "$(count pods to-cold)" 1 # the machine's own
}

switches_off_a_guest_that_does_not_listen() {
    vc "fault?set=tools-stuck"
    new_plan stubborn vc "[{name: stubborn}]" "targetPowerState: 'off'"
    is_ready plan stubborn
    migrate stubborn
    ends stubborn Succeeded 120
    vc "fault"
    same "$(vc_state stubborn on)" false
    contains "$(vm_status stubborn .conditions)" '"reason":"Forced"'
}

moves_a_warm_machine() {
    new_plan warm vc "[{name: warm}]" "warm: true"
    is_ready plan warm
    migrate warm
    wait_until 120 has_precopies warm 1
    same "$(vc_state warm on)" true
    same "$(vc_state warm snapshots)" 1
    vc "write?vm=warm&disk=0&percent=5"
    was=$(precopies warm)
    wait_until 60 has_precopies warm $((was + 2))
    vc "write?vm=warm&disk=0&percent=5"
    cutover warm
    ends warm Succeeded 120
    same "$(vc_state warm on)" false
    same "$(vc_state warm snapshots)" 0
    for i in 0 1; do
        same "$(sum "$(disk_of to-warm warm $i)")" "$(sum "$(source_disk warm $i)")"
    done
    contains "$(vm_status warm '.pipeline[*].annotations')" downtimeSeconds
    contains "$(kubectl describe plan warm -n $NS)" "was down for"
    same "$(helpers to-warm)" 0
}

puts_a_canceled_machine_back() {
    new_plan back vc "[{name: back}]" "warm: true"
    is_ready plan back
    vc "fault?set=file-locked" # nothing can be read, so that it stays where it is
    migrate back
    wait_until 60 vm_is back CopyDisks
    kubectl patch migration back -n $NS --type merge -p '{"spec":{"cancel":[{"name":"back"}]}}'
    ends back Canceled 60
    vc "fault"
    same "$(vc_state back on)" true
    same "$(vc_state back snapshots)" 0
    target_is_empty back
    same "$(helpers to-back)" 0
}

puts_a_machine_back_whose_plan_goes() {
    new_plan gone vc "[{name: back}]" "warm: true"
    is_ready plan gone
    vc "fault?set=file-locked"
    migrate gone
    wait_until 60 vm_is gone CopyDisks
    kubectl delete plan gone -n $NS --timeout=60s
    vc "fault"
    same "$(vc_state back on)" true
    same "$(vc_state back snapshots)" 0
    target_is_empty gone
    same "$(helpers to-gone)" 0
}

says_before_that_only_vddk_can_read_a_disk() {
    new_plan far vc '[{name: far}]'
    wait_until 30 has_condition plan far VDDKInitImageUnavailable
    contains "$(conditions plan far)" "it lies on vSAN"
}

wants_change_tracking() {
    new_plan plain vc '[{name: plain}]' "warm: true"
    wait_until 30 has_condition plan plain VMMissingChangedBlockTracking
    kubectl annotate plan plain -n $NS gantry.io/enable-change-tracking=true
    is_ready plan plain
    migrate plain
    wait_until 60 has_precopies plain 2
    same "$(vc_state plain ctk)" true
    cutover plain
    ends plain Succeeded 60
}

takes_the_settings_of_the_manual() {
    vsphere_provider image '{sdkEndpoint: vcenter, vddkInitImage: "registry.example/vddk:8"}'
    is_ready provider image
    vsphere_provider host-only '{sdkEndpoint: esxi}'
    wait_until 30 has_condition provider host-only ConnectionTestFailed
    contains "$(conditions provider host-only)" "sdkEndpoint is esxi, but the server is a vCenter"
    kubectl delete provider image host-only -n $NS
}

keeps_secrets_to_itself() {
    for text in 'a<b&c"d' 'a&lt;b' secret-cookie; do
        ! grep -aF "$text" "$work/home/gantryd.log"
        ! kubectl get events,plans,migrations,pods -A -o yaml | grep -F "$text"
        ! kubectl get pods -A -o json | grep -F "$text"
    done
}

plan 10
it "loads the inventory" loads_the_inventory
it "moves a cold machine, every byte of two disks" moves_a_cold_machine
it "switches off a guest that does not listen, and says so" switches_off_a_guest_that_does_not_listen
it "moves a warm machine: copies, cutover, nothing left" moves_a_warm_machine
it "puts a canceled machine back as it was" puts_a_canceled_machine_back
it "puts a machine back whose plan is deleted" puts_a_machine_back_whose_plan_goes
it "says before the start that only VDDK can read a disk" says_before_that_only_vddk_can_read_a_disk
it "switches change tracking on where the plan asks" wants_change_tracking
it "takes the settings of the manual" takes_the_settings_of_the_manual
it "keeps passwords and cookies to itself" keeps_secrets_to_itself
finish
