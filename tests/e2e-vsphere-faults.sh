#!/bin/sh
# One fault of the source after the other during warm and cold migrations: each ends as it should
# with the true reason, the source has no snapshot of ours and the power it should have, and a
# failure leaves nothing at home.  FAULTS=all tries every call; otherwise a few.
. "$(dirname "$0")/functions.sh"
. "$(dirname "$0")/e2e/home.sh"
. "$(dirname "$0")/e2e/vcenter.sh"
home_requires
requires openssl "the fake vCenter needs a certificate"
requires curl "tests steer the fake vCenter with it"
export PRECOPY_INTERVAL=1s GUEST_SHUTDOWN_TIMEOUT=2s BLOCKER_GRACE_PERIOD_MINUTES=1
home_up
vcenter_up --task-ms 60 --shutdown-ms 200 \
    --machine "name=web,disk=8Mi,memory=64,nic=VirtualVmxnet3"
vc "write?vm=web&disk=0&percent=50" >/dev/null
vsphere_provider vc >/dev/null
vsphere_maps vc >/dev/null
wait_until 60 has_condition provider vc Ready

# begin [FIELDS]: a new plan of the machine, which is on
begin() {
    name=f$(printf %s "$fault" | tr -c 'a-zA-Z0-9' - | tr A-Z a-z | cut -c1-30 | sed 's,-*$,,')
    vc "fault" >/dev/null
    vc "power?vm=web&on=1" >/dev/null
    kubectl delete vm --all -A >/dev/null
    new_plan "$name" vc "[{name: web}]" "${1:-type: warm}"
    wait_until 90 has_condition plan "$name" Ready || {
        conditions plan "$name"
        return 1
    }
}

# what must be true whatever happened
source_is_clean() {
    wait_until 60 is_over "$name"
    same "$(vc_state web snapshots)" 0
    same "$(helpers "to-$name")" 0
}

succeeds() {
    ends "$name" Succeeded 90
    vc fault
    source_is_clean
    same "$(vc_state web on)" false
    same "$(sum "$(disk_of "to-$name" web 0)")" "$(sum "$(source_disk web)")"
}

# fails_with WORDS: and the source runs again
fails_with() {
    vc fault
    ends "$name" Failed 90
    contains "$(vm_error "$name")" "$1"
    source_is_clean
    same "$(vc_state web on)" true
    target_is_empty "$name"
}

# A fault at the very beginning, and again when the machine is cut over.
survives_warm() {
    fault=$1
    begin
    vc "fault?set=$fault"
    migrate "$name"
    wait_until 90 has_precopies "$name" 2
    vc "write?vm=web&disk=0&percent=10"
    vc "fault?set=$fault"
    cutover "$name"
    succeeds
    [ -z "${2:-}" ] || contains "$(vm_status "$name" .conditions)" "$2"
}

survives_cold() {
    fault=cold-$1
    begin "type: cold"
    vc "fault?set=$1"
    migrate "$name"
    succeeds
}

refuses() {
    fault=$1
    begin
    vc "fault?set=$fault"
    migrate "$name"
    wait_until 60 has_error "$2"
    fails_with "$2"
}

waits_for_a_removal_that_is_stuck() {
    fault=removal-stuck
    begin
    migrate "$name"
    wait_until 60 has_precopies "$name" 1
    vc "fault?set=$fault"
    wait_until 60 vm_is "$name" WaitForPreviousSnapshotRemoval
    wait_until 30 shows_at_vm "waiting until the source has removed"
    vc fault
    cutover "$name"
    succeeds
}

has_error() {
    case $(vm_error "$name") in
    *"$1"*) ;;
    *) false ;;
    esac
}

shows_at_vm() {
    case $(vm_status "$name" '.pipeline[*].reason')$(vm_error "$name") in
    *"$1"*) ;;
    *) false ;;
    esac
}

# Nothing can be put right with it; once the right one is there, everything is.  Whoever sees it first
# (the machine's step or the provider's test) says so at the machine, which fails at the latest when
# the plan has been blocked for BLOCKER_GRACE_PERIOD_MINUTES.
says_when_the_password_is_wrong_later() {
    fault=wrong-password
    begin
    migrate "$name"
    wait_until 60 has_precopies "$name" 1
    vc "fault?set=wrong-password"
    vc "fault?set=restart@1"
    wait_until 60 shows_at_vm InvalidLogin
    wait_until 150 has_error InvalidLogin
    wait_until 90 has_condition provider vc ConnectionAuthFailed
    ! is_over "$name"
    fails_with InvalidLogin
    wait_until 90 has_condition provider vc Ready
}

knows_a_host_in_maintenance() {
    fault=maintenance
    begin
    vc "maintenance?on=1"
    wait_until 30 has_condition plan "$name" HostNotReady
    vc "maintenance?on=0"
    migrate "$name"
    wait_until 60 has_precopies "$name" 1
    cutover "$name"
    succeeds
}

case ${FAULTS:-few} in
all)
    calls="CreateSnapshot_Task RemoveSnapshot_Task QueryChangedDiskAreas RetrievePropertiesEx
        ShutdownGuest Login WaitForUpdatesEx"
    ;;
*) calls="CreateSnapshot_Task QueryChangedDiskAreas" ;;
esac
count_of() {
    echo $#
}
# shellcheck disable=SC2086
plan $(($(count_of $calls) * 2 + 14))
for call in $calls; do
    it "survives the loss of $call" survives_warm "lose-call:$call@1"
    it "survives the loss of the answer to $call" survives_warm "lose-answer:$call@1"
done
it "survives an expired session" survives_warm "expire-session@1"
it "survives a restart of the server" survives_warm "restart@1"
it "survives broken connections while copying" survives_warm "file-cut@2"
it "takes a snapshot as after a power failure if it must" survives_warm "quiesce-failed@1" SnapshotNotQuiesced
it "reads all of a disk whose changes are unknown" survives_warm "changes-refused@1" DiskReadAgain
it "survives the loss of a call when cold" survives_cold "lose-call:*@3"
it "switches off a guest that does not listen" survives_cold tools-stuck
it "says that a snapshot was refused" refuses snapshot-refused SnapshotFault
it "says that the datastore is full" refuses disk-full NoDiskSpace
it "says that rights are missing" refuses no-permission NoPermission
it "says that a removal failed" refuses removal-refused@1 GenericVmConfigFault
it "waits for a removal that is stuck" waits_for_a_removal_that_is_stuck
it "says when the password is wrong later" says_when_the_password_is_wrong_later
it "knows a host in maintenance" knows_a_host_in_maintenance
finish
