#!/bin/sh
# libvirtd of gantry's own starts where libvirt's system package, and with it the account
# libvirt-qemu, is missing; and leaves the machine's accounts as they were.
. "$(dirname "$0")/functions.sh"
requires_root
requires libvirtd "one is started"
requires virsh "it is asked with it"
requires unshare "the machine without the account is a mount namespace"

dir=$work/libvirt
grep -v '^libvirt-qemu:' /etc/passwd >"$work/passwd"
grep -v '^libvirt-qemu:' /etc/group >"$work/group"
cat /etc/passwd /etc/group >"$work/before"

keeper_ends() {
    [ ! -e "/proc/$keeper" ]
}

libvirtd_answers() {
    virsh -q -c "qemu+unix:///system?socket=/proc/$keeper/root/run/libvirt/libvirt-sock" version
}

starts_without_the_account() {
    unshare --mount sh -ec '
        mount --bind "$1/passwd" /etc/passwd
        mount --bind "$1/group" /etc/group
        if getent passwd libvirt-qemu; then exit 1; fi
        exec "$2" "$3"' sh "$work" "$bin/gantry-libvirtd" "$dir"
    keeper=$(cat "$dir/keeper.pid")
    wait_until 60 libvirtd_answers
    contains "$(cat "/proc/$keeper/root/etc/passwd")" "libvirt-qemu:"
}

leaves_the_accounts() {
    cat /etc/passwd /etc/group | cmp - "$work/before"
    ! grep -q libvirt-qemu "$work/passwd" "$work/group"
}

goes_when_told() {
    keeper=$(cat "$dir/keeper.pid")
    kill -TERM "$keeper"
    wait_until 20 keeper_ends
}

cleanup_fn 'kill $(cat '"$dir"'/keeper.pid)'
plan 3
it "starts and answers without the account" starts_without_the_account
it "leaves the machine's accounts as they were" leaves_the_accounts
it "goes when told" goes_when_told
finish
