#!/bin/sh
# Disks of a fake vCenter read through VMware's library, played by tests/fakes/vixdisklib: cold and
# warm, from a folder of the machine and from an image, and what only the library can read.
. "$(dirname "$0")/functions.sh"
. "$(dirname "$0")/e2e/home.sh"
. "$(dirname "$0")/e2e/vcenter.sh"
home_requires
requires openssl "the fake vCenter needs a certificate"
requires curl "tests steer the fake vCenter with it"
export PRECOPY_INTERVAL=1s GUEST_SHUTDOWN_TIMEOUT=3s
home_up
# The importers see the library's folder and nothing else, so the disks' files are below it.
mkdir -p "$work/vddk/lib64" "$work/vddk/content"
ln -s "$work/vddk/content" "$work/datastore"
cp "$BUILD/tests/libvixDiskLib.so.8" "$work/vddk/lib64/"
printf 'user=%s\npassword=%s\nlatency-ms=1\n' "$vc_user" "$vc_password" >"$work/vddk/dummy.conf"
nic=nic=VirtualVmxnet3
vcenter_up --task-ms 50 --shutdown-ms 200 \
    --machine "name=warm,disk=32Mi,disk=8Mi,memory=64,$nic" \
    --machine "name=image,disk=16Mi,memory=64,power=off,$nic" \
    --machine "name=far,disk=8Mi,datastore=vsan,disk=8Mi,memory=64,power=off,$nic" \
    --machine "name=parted,disk=16Mi,memory=64,power=off,$nic" \
    --machine "name=crash,disk=16Mi,memory=64,$nic"
for vm in warm image far parted crash; do
    vc "write?vm=$vm&disk=0&percent=40" >/dev/null
done
vsphere_provider vc "{sdkEndpoint: vcenter, vddkInitImage: $work/vddk, useVddkAioOptimization: 'true'}" \
    >/dev/null
vsphere_provider image '{sdkEndpoint: vcenter, vddkInitImage: "registry.example/vddk:8"}' >/dev/null
vsphere_maps vc >/dev/null
vsphere_maps image >/dev/null

access_of() {
    vm_status "$1" '.pipeline[*].tasks[*].annotations.access'
}

is_same() { # PLAN VM [N [SOURCE]]
    same "$(sum "$(disk_of "to-$1" "$2" "${3:-0}")")" "$(sum "$(source_disk "$2" "${3:-0}")")"
}

moves_a_warm_machine() {
    served=$(vc_served)
    new_plan warm vc "[{name: warm}]" "type: warm"
    wait_until 60 has_condition plan warm Ready
    contains "$(conditions plan warm)" "VMware's library (VDDK): the provider names it"
    migrate warm
    wait_until 60 has_precopies warm 1
    vc "write?vm=warm&disk=0&percent=5"
    wait_until 60 has_precopies warm 2
    vc "write?vm=warm&disk=0&percent=5"
    cutover warm
    ends warm Succeeded 60
    is_same warm warm 0
    is_same warm warm 1
    same "$(vc_state warm snapshots)" 0
    same "$(vc_served)" "$served" # nothing came over HTTPS
    contains "$(access_of warm)" "VMware's library (VDDK)"
    same "$(helpers to-warm)" 0
}

takes_the_library_from_an_image() {
    cp -r "$work/vddk" "$work/home/vmware-vix-disklib-distrib" # as unpacked in the home
    new_plan image image "[{name: image}]" "targetPowerState: 'off'"
    wait_until 60 has_condition plan image Ready
    migrate image
    ends image Succeeded 60
    is_same image image
    contains "$(access_of image)" "VMware's library (VDDK)"
}

reads_what_only_the_library_can() {
    vc "snapshot?vm=parted"
    vc "write?vm=parted&disk=0&percent=10"
    vc "save?vm=parted&disk=0&to=$work/parted.raw"
    new_plan far vc "[{name: far}, {name: parted}]" "targetPowerState: 'off'"
    wait_until 60 has_condition plan far Ready
    migrate far
    ends far Succeeded 60
    is_same far far 0
    is_same far far 1
    same "$(sum "$(disk_of to-far parted 0)")" "$(sum "$work/parted.raw")"
    same "$(vc_state parted snapshots)" 1
}

tells_why_a_library_that_crashes_ends_the_copy() {
    printf 'crash-read=12\n' >>"$work/vddk/dummy.conf"
    new_plan crash vc "[{name: crash}]"
    wait_until 60 has_condition plan crash Ready
    migrate crash
    ends crash Failed 60
    contains "$(vm_error crash)" "the process with VMware's library has ended: signal 6"
    same "$(vc_state crash on)" true
    kubectl delete plan crash -n $NS --timeout=60s
    wait_until 20 target_is_empty crash
}

plan 4
it "moves a running machine through VMware's library" moves_a_warm_machine
it "takes the library from an image" takes_the_library_from_an_image
it "reads vSAN and snapshots' deltas, which nothing else can" reads_what_only_the_library_can
it "tells why a library that crashes ends the copy" tells_why_a_library_that_crashes_ends_the_copy
finish
