#!/bin/sh
# gantry-copy: each option for what is copied, how, and what is said about it; errors while it runs.
. "$(dirname "$0")/functions.sh"
requires qemu-img "tests compare with it"
requires nbdkit "tests serve NBD with it"
requires jq "results are read with it"
copy=$bin/gantry-copy
make_vmdk=$source_root/tests/copy/make-vmdk
cd "$work" || exit 1
truncate -s 4M sample
head -c 1500000 /dev/urandom | dd of=sample conv=notrunc status=none

# ends_with STATUS PART COMMAND...: with one line of error that contains PART
ends_with() {
    want=$1 part=$2 status=0
    shift 2
    "$@" >"$work/said" 2>"$work/err" || status=$?
    same "$status $(grep -vc hint: "$work/err")" "$want 1"
    contains "$(cat "$work/err")" "$part"
}

takes_a_base_for_vmdks() {
    "$make_vmdk" cowd sample image
    qemu-img convert -f vmdk -O raw image-1.vmdk below
    sed -i '/parentFileNameHint/d' image
    ends_with 3 'names no parent' "$copy" image out
    contains "$(cat err)" 'give the parent with --base'
    "$copy" --quiet --base below image out
    cmp sample out
    "$copy" --quiet --base image-1.vmdk image out
    cmp sample out
}

takes_a_base_for_qcow2() {
    for format in raw qcow2 vdi vhdx; do
        rm -f top
        qemu-img convert -f raw -O $format sample below
        qemu-img create -q -f qcow2 -F $format -b below top
        qemu-io -c 'write -P 7 1M 64k' -c 'write -z 128k 64k' top >/dev/null
        qemu-img convert -f qcow2 -O raw top want
        ends_with 3 'refers to a backing file' "$copy" top out
        "$copy" --quiet --base below top out
        cmp want out
    done
    qemu-img create -q -f qcow2 -F vhdx -b below middle
    ends_with 3 'refers to a backing file' "$copy" --base middle top out
    "$copy" --quiet --allow-paths top out
    cmp want out
}

# Three images of changes and a base, of several kinds; what lies below is named from the top down.
takes_a_chain_of_bases() {
    "$make_vmdk" stream-3-behind sample below
    qemu-img create -q -f qcow2 -F vmdk -b below one
    qemu-io -c 'write -P 1 0 96k' -c 'write -P 1 3M 64k' one >/dev/null
    qemu-img create -q -f qcow2 -F qcow2 -b one -o extended_l2=on,cluster_size=128k two
    qemu-io -c 'write -P 2 8k 4k' -c 'write -z 1M 256k' -c 'write -P 2 3M 64k' two >/dev/null
    qemu-img create -q -f qcow2 -F qcow2 -b two -o compat=0.10 three
    qemu-io -c 'write -P 3 64k 64k' -c 'write -P 3 3M 512' three >/dev/null
    qemu-img convert -f qcow2 -O raw three want
    "$copy" --quiet --base two --base one --base below three out
    cmp want out
    ends_with 3 'refers to a backing file' "$copy" --base two three out
    ends_with 3 'a raw image has no base' "$copy" --base sample --base below three out
    # VMDKs of changes over something else
    "$make_vmdk" cowd sample image
    qemu-img convert -f vmdk -O qcow2 -c image-1.vmdk below
    sed -i '/parentFileNameHint/d' image
    qemu-img create -q -f qcow2 -F qcow2 -b below middle
    "$copy" --quiet --base middle --base below image out
    cmp sample out
    # what QEMU has to read is no layer of a chain
    qemu-img create -q -f qcow2 -o data_file=elsewhere external 4M
    ends_with 3 'not read over a base' "$copy" --base below external out
    ends_with 3 'in another file' "$copy" external out
    "$copy" --quiet --allow-paths external out
}

copies_areas_with_their_zeroes() {
    head -c 4M /dev/urandom >out
    cp out want
    dd if=sample of=want bs=64K skip=3 seek=3 count=2 conv=notrunc status=none
    dd if=sample of=want bs=64K skip=40 seek=40 count=10 conv=notrunc status=none
    printf '[{"start":196608,"length":131072},{"offset":2621440,"length":655360}]' >areas
    "$copy" --quiet --extents areas sample out
    cmp want out
    printf '65536 10\n0 10\n' >areas
    ends_with 1 'does not follow' "$copy" --extents areas sample out
    printf '0 99999999999999999999\n' >areas
    ends_with 1 'line 1' "$copy" --extents areas sample out
    cmp want out
}

keeps_to_the_bandwidth() {
    start=$(date +%s%N)
    "$copy" --quiet --bandwidth 1Mi --request-size 64Ki sample out
    took=$((($(date +%s%N) - start) / 1000000))
    [ $took -ge 1300 ] || fail "1.5 MB at 1 MiB a second took $took ms"
    cmp sample out
}

writes_past_the_cache_or_through_it() {
    command -v strace >/dev/null || skip "no strace"
    # the sanitizers' search for leaks does not work under another tracer
    export ASAN_OPTIONS=detect_leaks=0
    for option in --direct --buffered; do
        strace -f -qq -e trace=openat,fdatasync -o trace "$copy" --quiet $option sample out
        cmp sample out
        case $option in
        --direct) grep -q O_DIRECT trace ;;
        --buffered) ! grep -q O_DIRECT trace ;;
        esac || fail "$option"
        grep -q fdatasync trace || fail "not made durable"
    done
    strace -f -qq -e trace=fdatasync,fsync -o trace "$copy" --quiet --no-sync sample out
    ! grep -q sync trace || fail "--no-sync"
}

# With io_uring where the kernel has it, by plain calls where not: the same bytes and the same errors.
writes_with_and_without_io_uring() {
    qemu-img convert -c -f raw -O qcow2 sample packed
    for faults in '' 'uring.open=fail@1+'; do
        for from in sample packed; do
            GANTRY_FAULTS=$faults "$copy" --quiet --map map "$from" out
            cmp sample out
            "$copy" --quiet --verify-only --map map out
            GANTRY_FAULTS="copy.write=fail@2${faults:+,$faults}" ends_with 4 'cannot write "out"' \
                "$copy" --quiet --request-size 256Ki "$from" out
        done
    done
    command -v strace >/dev/null || skip "no strace"
    export ASAN_OPTIONS=detect_leaks=0
    strace -f -qq -e trace=io_uring_setup,io_uring_enter,pwrite64 -o trace \
        "$copy" --quiet --direct sample out
    grep -q 'io_uring_setup.* = [0-9]' trace || skip "this kernel has no io_uring, or forbids it"
    grep -q io_uring_enter trace || fail "nothing went through the ring"
    ! grep -q 'pwrite64.* = [0-9]\{6\}' trace || fail "blocks were written past the ring"
    GANTRY_FAULTS=uring.open=fail@1+ strace -f -qq -e trace=io_uring_setup,pwrite64 -o trace \
        "$copy" --quiet --direct sample out
    ! grep -q io_uring_setup trace || fail "a ring was made"
    grep -q pwrite64 trace || fail "not written"
}

# pages FILE: how many bytes of it are in the page cache
pages() {
    fincore -nb -o RES "$1"
}

# A plain disk through the page cache where the kernel lets nothing stay there, else past it.
leaves_nothing_in_the_page_cache() {
    command -v fincore >/dev/null || skip "no fincore"
    head -c 20M /dev/urandom >plain
    for faults in '' 'uncached.open=fail@1+'; do
        rm -f out
        GANTRY_FAULTS=$faults "$copy" --quiet plain out
        cmp plain out
        rm -f out
        GANTRY_FAULTS=$faults "$copy" --quiet plain out
        [ "$(pages out)" -lt 1000000 ] || fail "$(pages out) bytes stayed, with faults \"$faults\""
        GANTRY_FAULTS="copy.write=fail@2${faults:+,$faults}" ends_with 4 'cannot write "out"' \
            "$copy" --quiet --request-size 256Ki plain out
    done
    "$copy" --quiet --buffered plain out
    [ "$(pages out)" -gt 10000000 ] || fail "--buffered went past the cache"
}

# What a device held before is unmapped where the disk has holes, and zero where it cannot be.
unmaps_blocks_of_devices() {
    [ "$(id -u)" = 0 ] || skip "needs root"
    head -c 4M /dev/urandom >blocks
    device=$(losetup --show -f blocks 2>/dev/null) || skip "no loop devices"
    cleanup_fn losetup -d "$device"
    "$copy" --quiet sample "$device"
    "$copy" --quiet --verify-only sample "$device"
    losetup -d "$device"
    cmp sample blocks
    [ "$(stat -c %b blocks)" -lt 4000 ] || fail "holes were stored"
    # a device that cannot unmap: over NBD, without the command for it
    head -c 4M /dev/urandom >served
    nbdkit -U - --filter=nozero file served zeromode=none --run "'$copy' --quiet sample \"\$uri\""
    cmp sample served
}

# A line a second: bytes done and in all, rate, seconds left.
tells_how_far_it_is() {
    "$copy" --progress=json --bandwidth 512Ki --request-size 64Ki sample out >lines
    jq -es '.[-1].result == "ok" and .[-1].bytes == 4194304' lines
    jq -es '.[:-1] | length >= 3 and all(.[]; .total == 4194304 and .done <= .total)' lines
    jq -es '[.[:-1][].done] == ([.[:-1][].done] | sort)' lines
    # in the middle: half a mebibyte a second, and what is left at that rate
    jq -es '.[1] | .rate > 250000 and .rate < 1000000 and
        .left >= 1 and .left <= (.total - .done) / .rate + 1' lines
    "$copy" --progress --bandwidth 1Mi --request-size 64Ki sample out 2>bar
    grep -qE '^\[=+ *\] +[0-9]+\.[0-9] % .* left$' bar || fail "$(cat bar)"
    same "$("$copy" --quiet sample out 2>&1)" ''
}

completes_options() {
    command -v bash >/dev/null || skip "no bash"
    cat >complete.bash <<'END'
. "$1"
shift
COMP_WORDS=(gantry-copy "$@") COMP_CWORD=$#
_gantry_copy
printf '%s\n' "${COMPREPLY[@]}"
END
    PATH=$bin:$PATH
    completed() { bash complete.bash "$source_root/completions/gantry-copy" "$@" | sort | paste -sd' '; }
    same "$(completed --verif)" '--verify --verify-only'
    same "$(completed --source-format vh)" 'vhd vhdx'
    same "$(completed --format q)" qcow2
    same "$(completed --digest sha)" 'sha1 sha256 sha512'
    same "$(completed sampl)" sample
    [ "$(completed -- | wc -w)" -ge 38 ] || fail "$(completed --)"
}

computes_digests() {
    for name in sha256 sha1 sha512; do
        want=$(${name}sum sample | cut -d' ' -f1)
        same "$("$copy" --progress=json --digest $name sample out | tail -n 1 | jq -r .$name)" "$want"
        "$copy" --quiet --expect $name:"$want" sample out
        ends_with 3 'as expected' "$copy" --quiet --expect $name:"$(echo "$want" | tr 0-9 1-90)" \
            sample out
    done
    ends_with 3 sha3 "$copy" --digest sha3 sample out
}

tells_about_images() {
    for kind in sparse stream-3-behind vmfs sesparse; do
        "$make_vmdk" $kind sample image
        "$copy" --info --json image >info
        same "$(jq -r '.size, .complete' info | paste -sd' ')" '4194304 true'
        same "$(jq '[.extents[].length] | add' info)" 4194304
        data=$(jq .data info)
        [ "$data" -ge 1500000 ] && [ "$data" -lt 1800000 ] || fail "$data bytes of data"
        "$copy" --info image >text
        contains "$(cat text)" "format: $(jq -r .format info)"
        same "$(grep -cE '^[0-9]+ [0-9]+ (data|zero)$' text)" "$(jq '.extents | length' info)"
    done
    gzip -c sample >packed
    contains "$("$copy" --info packed)" 'read front to back'
    ends_with 3 absent "$copy" --info absent
}

verifies() {
    "$copy" --quiet --map map --verify sample out
    "$copy" --quiet --verify-only --map map out
    "$copy" --quiet --verify-only sample out
    printf x | dd of=out bs=1 seek=3000000 conv=notrunc status=none # where there was a hole
    ends_with 5 'the first at byte 2097152' "$copy" --verify-only --map map out
    ends_with 5 'the first at byte 2097152' "$copy" --verify-only sample out
    head -c 100 out >short
    ends_with 5 'has 100 bytes' "$copy" --verify-only sample short
    # a map that was damaged proves nothing
    printf x | dd of=map bs=1 seek=30 conv=notrunc status=none
    ends_with 1 'is no block map' "$copy" --resume --map map sample out
}

notices_silence() {
    start=$(date +%s)
    mkfifo pipe
    sleep 20 >pipe &
    ends_with 3 'standard input' "$copy" --timeout 1 - out <pipe
    kill $!
    [ $(($(date +%s) - start)) -lt 10 ] || fail "waited too long"
    # a destination that does not answer
    nbdkit -U silent -P silent.pid --filter=delay memory 4M delay-write=30
    wait_until 10 test -s silent.pid
    ends_with 4 --timeout "$copy" --timeout 1 sample "nbd+unix:///?socket=$work/silent"
    kill -KILL "$(cat silent.pid)"
}

# flush FAILS-FROM: a server whose flush fails from that call on
reports_flushes_that_fail() {
    nbdkit -U - eval get_size='echo 4194304' pread='dd if=/dev/zero bs=$3 count=1 status=none' \
        pwrite='cat >/dev/null' can_write='exit 0' can_flush='exit 0' \
        flush='echo EIO flush >&2; exit 1' --run "'$copy' --quiet sample \"\$uri\"" 2>err &&
        fail "a wrong success"
    contains "$(grep gantry-copy: err)" 'cannot flush'
    # while a map is kept: neither may the map say that the blocks are there
    GANTRY_FAULTS='copy.sync=fail@1+' ends_with 4 durable "$copy" --quiet --map map sample out
    same "$("$copy" --show-map map | grep -vc '^#')" 0
    "$copy" --quiet --map map --resume sample out
    cmp sample out
    GANTRY_FAULTS='copy.finish=fail@1' ends_with 4 durable "$copy" --quiet sample out
}

reports_sources_that_shrink() {
    cp sample shrinking
    nbdkit -U - --filter=error file shrinking error-pread=EIO error-pread-rate=100% \
        --run "'$copy' --quiet \"\$uri\" out" 2>err && fail "a wrong success"
    contains "$(grep gantry-copy: err)" 'Input/output error'
    "$copy" --quiet --bandwidth 1Mi --request-size 64Ki shrinking out 2>err &
    pid=$!
    sleep 0.4
    : >shrinking
    status=0
    wait $pid || status=$?
    same $status 3
    contains "$(cat err)" shrinking
}

reports_maps_that_cannot_be_written() {
    [ -e /dev/full ] || skip "no /dev/full"
    ends_with 1 map "$copy" --map /no/such/folder/map sample out
    [ "$(id -u)" = 0 ] || skip "needs root"
    mkdir -p tiny
    mount -t tmpfs -o size=8k none tiny || skip "cannot mount a tmpfs"
    cleanup_fn umount "$work/tiny"
    head -c 4k /dev/zero >tiny/fill
    ends_with 1 'No space left' "$copy" --map tiny/map --request-size 4096 sample out
    umount tiny
}

plan 18
it "takes a base for VMDKs" takes_a_base_for_vmdks
it "takes a base for qcow2, of any format" takes_a_base_for_qcow2
it "takes a chain of bases" takes_a_chain_of_bases
it "copies areas, zeroes included" copies_areas_with_their_zeroes
it "keeps to the bandwidth" keeps_to_the_bandwidth
it "writes past the cache or through it" writes_past_the_cache_or_through_it
it "writes with io_uring and without" writes_with_and_without_io_uring
it "leaves nothing in the page cache" leaves_nothing_in_the_page_cache
it "unmaps blocks of devices" unmaps_blocks_of_devices
it "tells how far it is, and how long it will take" tells_how_far_it_is
it "completes options" completes_options
it "computes digests" computes_digests
it "tells about images" tells_about_images
it "verifies" verifies
it "notices silence on both sides" notices_silence
it "reports flushes that fail" reports_flushes_that_fail
it "reports sources that break or shrink" reports_sources_that_shrink
it "reports maps that cannot be written" reports_maps_that_cannot_be_written
finish
