#!/bin/sh
# The demo guest and the OVAs that tests wrap it in are what they say.
. "$(dirname "$0")/functions.sh"
requires python3 "make-guest and make-ova are written in it"
requires qemu-system-x86_64 "the guest runs under it"
requires qemu-img "it writes and reads the VMDK"
requires objcopy "the guest is assembled with binutils"

guest=$source_root/tests/make-guest
ova=$source_root/tests/make-ova
"$guest" --name one "$work/one.raw" && "$guest" --name two --damage "$work/two.raw" || exit 1

# boots DISK BUS TEXT: the guest says TEXT on its serial port within a generous time.
boots() {
    case $2 in
    virtio) drive="-drive if=virtio,format=raw,file=$1" ;;
    sata) drive="-device ahci,id=a -drive if=none,id=d,format=raw,file=$1 -device ide-hd,bus=a.0,drive=d" ;;
    esac
    rm -f "$work/serial" && mkfifo "$work/serial"
    # shellcheck disable=SC2086
    timeout 60 qemu-system-x86_64 -M q35 -accel tcg -m 64 -display none -no-reboot \
        -serial stdio $drive </dev/null >"$work/serial" 2>/dev/null &
    qemu=$!
    found=no
    while IFS= read -r line; do
        case $line in *"$3"*) found=yes && break ;; esac
    done <"$work/serial"
    kill "$qemu" 2>/dev/null || true
    wait "$qemu" 2>/dev/null || true
    [ "$found" = yes ]
}

an_ova_holds_the_disk() {
    "$ova" --name box --disk "$work/one.raw" --disk "$work/two.raw" "$work/box.ova"
    mkdir "$work/out"
    tar -C "$work/out" -xf "$work/box.ova"
    [ "$(tar -tf "$work/box.ova" | head -n 1)" = box.ovf ]
    qemu-img compare -f vmdk -F raw "$work/out/box-1.vmdk" "$work/one.raw"
    qemu-img compare -f vmdk -F raw "$work/out/box-2.vmdk" "$work/two.raw"
    (cd "$work/out" && sed -n 's/^SHA256(\(.*\))= \(.*\)$/\2  \1/p' box.mf | sha256sum -c)
}

plan 4
it "boots from a virtio disk and finds it whole" \
    boots "$work/one.raw" virtio "hello from one, disk ok"
it "boots from a SATA disk and counts" boots "$work/one.raw" sata "second 2"
it "notices a damaged disk" boots "$work/two.raw" virtio "hello from two, disk DAMAGED"
it "an OVA has its descriptor first, the disks, and a true manifest" an_ova_holds_the_disk
finish
