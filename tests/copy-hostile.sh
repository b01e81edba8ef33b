#!/bin/sh
# gantry-copy on images made to do harm: each ends with status 3 and one line that says what and
# where, at once, in little memory.
. "$(dirname "$0")/functions.sh"
requires python3 "images are made with it"
copy=$bin/gantry-copy
make_vmdk=$source_root/tests/copy/make-vmdk
cd "$work" || exit 1

truncate -s 4M sample
head -c 1000000 /dev/urandom | dd of=sample conv=notrunc status=none
export ASAN_OPTIONS=quarantine_size_mb=1:detect_leaks=1
# what the sanitizers' own memory adds is theirs
most_kib=65536
grep -q __asan_init "$copy" && most_kib=262144

# put FILE OFFSET FORMAT VALUE: writes a number, FORMAT as Python's struct has it
put() {
    python3 -c 'import struct, sys
with open(sys.argv[1], "r+b") as f:
    f.seek(int(sys.argv[2], 0))
    f.write(struct.pack(sys.argv[3], int(sys.argv[4], 0)))' "$@"
}

# get FILE OFFSET FORMAT
get() {
    python3 -c 'import struct, sys
with open(sys.argv[1], "rb") as f:
    f.seek(int(sys.argv[2], 0))
    print(struct.unpack(sys.argv[3], f.read(struct.calcsize(sys.argv[3])))[0])' "$@"
}

# measured COMMAND...: runs it for at most 30 seconds, its peak memory in KiB to the file "peak"
measured() {
    python3 -c 'import resource, subprocess, sys
result = subprocess.run(sys.argv[1:], timeout=30)
open("peak", "w").write(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))
sys.exit(result.returncode)' "$@"
}

in_little_memory() {
    [ "$(cat peak)" -le $most_kib ] || fail "$(cat peak) KiB of memory"
}

# refuses FILE PART: status 3, one line, which contains PART
refuses() {
    status=0
    measured "$copy" --quiet "$1" null: 2>err || status=$?
    same "$status $(grep -vc hint: err)" "3 1"
    contains "$(cat err)" "$2"
    in_little_memory
}

refuses_grains_beyond_the_file() {
    for kind in sparse stream-3-front; do
        "$make_vmdk" $kind sample image
        table=$(($(get image 56 '<Q') * 512))
        put image $(($(get image $table '<I') * 512 + 4)) '<I' 0x7fffffff
        refuses image 'of sector 128'
    done
    "$make_vmdk" sesparse sample image
    put image-2-delta.vmdk $(($(get image-2-delta.vmdk 144 '<Q') * 512)) '<Q' 0x3fffffffffffffff
    refuses image 'image-2-delta.vmdk'
    "$make_vmdk" cowd sample image
    table=$(($(get image-2-delta.vmdk 2048 '<I') * 512))
    put image-2-delta.vmdk $table '<I' 0xfffffffe
    refuses image 'image-2-delta.vmdk'
}

refuses_tables_beyond_the_file() {
    "$make_vmdk" sparse sample image
    put image $(($(get image 56 '<Q') * 512)) '<I' 0x7fffffff
    refuses image 'grain table 0'
    "$make_vmdk" sparse sample image
    put image 56 '<Q' 0x7fffffff
    refuses image 'grain directory'
    put image 56 '<Q' 0x7fffffffffffffff
    refuses image 'no grain directory'
}

# The tables lie over each other: a disk all the same, whose size is known and whose bytes are those
# of the one table, many times; it takes neither more memory nor longer than such a disk does.
reads_tables_that_overlap() {
    truncate -s 256M many
    dd if=sample of=many bs=64K count=1 conv=notrunc status=none
    dd if=sample of=many bs=64K count=1 seek=2000 conv=notrunc status=none
    "$make_vmdk" sparse many image
    directory=$(($(get image 56 '<Q') * 512))
    for table in 1 2 3 4 5 6 7; do
        put image $((directory + 4 * table)) '<I' "$(get image $directory '<I')"
    done
    measured "$copy" --quiet image out
    in_little_memory
    for place in 0 32 128 224; do
        cmp -n 65536 -i 0:$((place * 1048576)) sample out
    done
    [ "$(stat -c %b out)" -lt 1100 ] || fail "more was written than there is"
    # packed grains say where they belong
    "$make_vmdk" stream-3-front many image
    directory=$(($(get image 56 '<Q') * 512))
    put image $((directory + 4)) '<I' "$(get image $directory '<I')"
    refuses image 'its header names sector 0'
}

refuses_grains_that_inflate_too_far() {
    truncate -s 4M little
    head -c 1000 /dev/urandom | dd of=little conv=notrunc status=none
    "$make_vmdk" stream-3-front little image
    python3 - <<'END'
import struct, zlib
bomb = zlib.compress(bytes(500000))
with open("image", "r+b") as f:
    f.seek(56)
    f.seek(struct.unpack("<Q", f.read(8))[0] * 512)
    f.seek(struct.unpack("<I", f.read(4))[0] * 512)
    f.seek(struct.unpack("<I", f.read(4))[0] * 512)
    f.write((struct.pack("<QI", 0, len(bomb)) + bomb).ljust(4096, b"\0"))
END
    refuses image 'inflates to more than a grain'
    status=0
    "$copy" --quiet - null: <image 2>err || status=$?
    same $status 3
    contains "$(cat err)" 'inflates to more than a grain'
}

refuses_lengths_beyond_reason() {
    "$make_vmdk" stream-3-front sample image
    first=$(($(get image $(($(get image $(($(get image 56 '<Q') * 512)) '<I') * 512)) '<I') * 512))
    put image $((first + 8)) '<I' 0xfffffff0
    refuses image 'names 4294967280 packed bytes'
    "$make_vmdk" stream-3-behind sample image
    put image 65536 '<Q' 0xffffffffffffffff # the first grain's place
    status=0
    "$copy" --quiet - null: <image 2>err || status=$?
    same $status 3
    put image 65544 '<I' 0 # a marker of 2^64 - 1 sectors
    put image 65548 '<I' 1
    status=0
    "$copy" --quiet - null: <image 2>err || status=$?
    same $status 3
    contains "$(cat err)" 'marker of 18446744073709551615 sectors'
}

refuses_capacities_beyond_reason() {
    for capacity in 0x8000000000000000 0x40000000000000 0xffffffffffffffff 0x80000000001; do
        "$make_vmdk" sparse sample image
        put image 12 '<Q' $capacity
        refuses image 'a capacity of'
    done
    for at in 20 44; do # grains, entries of a table
        "$make_vmdk" sparse sample image
        put image $at '<I' 0xffffffff
        refuses image grain
        put image $at '<I' 0
        refuses image grain
    done
    "$make_vmdk" sesparse sample image
    put image-2-delta.vmdk 16 '<Q' 0x8000000000000000
    refuses image 'beyond all limits'
    # many extents, each of them possible
    {
        printf '# Disk DescriptorFile\nCID=1\nparentCID=ffffffff\ncreateType="custom"\n'
        for i in 1 2 3 4; do printf 'RW 8796093022208 ZERO\n'; done
    } >image
    refuses image 'line 6'
    # 4 PiB of nothing is nothing
    head -n 5 image >image2
    measured "$copy" --quiet image2 null:
    in_little_memory
}

refuses_loops() {
    "$make_vmdk" cowd sample image
    sed -i 's/parentCID=.*/parentCID=00003333/; s/parentFileNameHint=.*/parentFileNameHint="image"/' \
        image
    refuses image 'a chain of more than 64 images, or a loop'
    "$make_vmdk" cowd sample image
    sed -i 's/parentCID=.*/parentCID=00003333/; s/parentFileNameHint=.*/parentFileNameHint="image"/' \
        image-1.vmdk
    refuses image 'a chain of more than 64 images, or a loop'
    # an extent that is the descriptor itself is its text, never a descriptor again
    printf '# Disk DescriptorFile\nCID=1\nparentCID=ffffffff\ncreateType="x"\nRW 1 SPARSE "image"\n' \
        >image
    refuses image 'header of'
}

# entry FILE OFFSET: the place in the file that an entry of a qcow2 table names, packed or not
entry() {
    python3 -c 'import struct, sys
with open(sys.argv[1], "rb") as f:
    f.seek(int(sys.argv[2], 0))
    print(struct.unpack(">Q", f.read(8))[0] & 0x003fffffffffffff)' "$@"
}

# A qcow2 image "image" with packed clusters; $table is where the first cluster's entry lies.
make_qcow2() {
    qemu-img convert -c -f raw -O qcow2 "$@" sample image
    table=$(entry image "$(entry image 40)")
}

refuses_qcow2_beyond_reason() {
    command -v qemu-img >/dev/null || skip "qemu-img makes the images"
    yes 'the same again and again' | dd of=sample bs=64K count=4 conv=notrunc status=none iflag=fullblock
    make_qcow2
    put image 24 '>Q' 0x8000000000000000
    refuses image 'a disk of 9223372036854775808 bytes'
    put image 24 '>Q' 0x4000000000000000
    refuses image 'a directory of 1 entries'
    put image 36 '>I' 0xffffffff
    refuses image 'a directory of 4294967295 entries'
    for bits in 0 8 22 0xffffffff; do
        make_qcow2
        put image 20 '>I' $bits
        refuses image clusters
    done
    make_qcow2
    put image 40 '>Q' 0x10000000000
    refuses image 'reaches behind its end'
    make_qcow2
    put image "$(entry image 40)" '>Q' 0x00fffffffffff000
    refuses image 'table 0 lies at byte'
    put image "$(entry image 40)" '>Q' 0x00ffffffffff0000
    refuses image 'table 0'
    make_qcow2 # a plain cluster, behind the end and across others
    put image $table '>Q' 0x00ffffffffff0000
    refuses image 'lies behind the end'
    put image $table '>Q' 0x0000000000010200
    refuses image 'cluster 0: it lies at byte'
    put image $table '>Q' 0x403fffffffffffff # packed, likewise
    refuses image 'lie behind the end'
    put image $table '>Q' 0x4000000000000000 # the header, unpacked
    refuses image 'cannot be inflated'
    qemu-img convert -f raw -O qcow2 -o extended_l2=on sample image
    table=$(entry image "$(entry image 40)")
    put image $((table + 8)) '>Q' 0x00000001ffffffff
    refuses image 'stored and zero at once'
    put image $table '>Q' 0
    put image $((table + 8)) '>Q' 0x00000000ffffffff
    refuses image 'stored nowhere'
}

refuses_clusters_that_unpack_too_far() {
    command -v qemu-img >/dev/null || skip "qemu-img makes the images"
    for kind in zlib zstd; do
        make_qcow2 -o compression_type=$kind
        at=$(entry image "$table")
        for size in 500000 1000; do
            if [ $kind = zstd ]; then
                head -c $size /dev/zero | zstd -q -19 >bomb
            else
                python3 -c 'import sys, zlib
packer = zlib.compressobj(9, zlib.DEFLATED, -12)
sys.stdout.buffer.write(packer.compress(bytes(int(sys.argv[1]))) + packer.flush())' $size >bomb
            fi
            dd if=bomb of=image bs=1 seek=$at conv=notrunc status=none
            case $kind,$size in
            zlib,500000) refuses image 'inflates to more than a cluster' ;;
            zstd,500000) refuses image 'Destination buffer is too small' ;;
            *) refuses image 'unpacks to 1000 bytes instead of 65536' ;;
            esac
        done
    done
}

# 64 TiB of nothing, with clusters of every size, takes no memory and no time.
opens_qcow2_of_any_size_at_once() {
    command -v qemu-img >/dev/null || skip "qemu-img makes the images"
    for options in cluster_size=512,120G cluster_size=64k,62T cluster_size=2M,62T \
        cluster_size=64k,extended_l2=on,62T; do
        rm -f image
        qemu-img create -q -f qcow2 -o "${options%,*}" image "${options##*,}"
        qemu-io -c "write -P 9 $(qemu-img info -f qcow2 --output=json image |
            python3 -c 'import json, sys; print(json.load(sys.stdin)["virtual-size"] - 512)') 512" \
            image >/dev/null
        measured "$copy" --quiet image null:
        in_little_memory
    done
}

refuses_a_parent_that_was_changed() {
    "$make_vmdk" cowd sample image
    sed -i 's/^CID=.*/CID=0000dead/' image-1.vmdk
    refuses image 'it was changed after the snapshot'
}

refuses_names_that_lead_out() {
    mkdir inside
    truncate -s 1M outside
    mkfifo inside/pipe
    ln -s ../outside inside/link
    ln -s ..  inside/up
    for name in ../outside "$work/outside" link up/outside ./../outside inside/../../outside ''; do
        printf '# Disk DescriptorFile\nCID=1\nparentCID=ffffffff\ncreateType="vmfs"\nRW 2048 VMFS "%s"\n' \
            "$name" >inside/image
        refuses inside/image extent
        printf '# Disk DescriptorFile\nCID=1\nparentCID=00000001\ncreateType="vmfs"\nRW 1 ZERO\nparentFileNameHint="%s"\n' \
            "$name" >inside/image
        refuses inside/image parent
    done
    # what would make an open or a read wait for ever
    sed -i 's/parentCID=.*/parentCID=ffffffff/; s/^RW.*/RW 1 FLAT "pipe" 0/' inside/image
    refuses inside/image 'neither a file nor a block device'
    sed -i 's,^RW.*,RW 1 FLAT "/dev/zero" 0,' inside/image
    status=0
    "$copy" --quiet --allow-paths inside/image null: 2>err || status=$?
    same $status 3
}

refuses_texts_without_end() {
    { printf '# Disk DescriptorFile\n'; yes 'RW 1 ZERO' | head -n 200000; } >image
    refuses image 'descriptor of 2'
    { printf '# Disk DescriptorFile\ncreateType="x"\nCID=1\n'; yes 'RW 1 ZERO' | head -n 5000; } >image
    refuses image 'more than 4096 extents'
    { printf '# Disk DescriptorFile\nRW 1 FLAT "'; head -c 10000 /dev/zero | tr '\0' x; } >image
    refuses image 'line 2'
}

# Unpacks a million times as much as there is, which is what the user asked for: in little memory.
unpacks_bombs_in_little_memory() {
    head -c 2G /dev/zero | gzip -1 >bomb
    for to in null: out; do
        measured "$copy" --quiet bomb $to
        in_little_memory
    done
    same "$(stat -c '%s %b' out)" '2147483648 0'
    rm out
    printf 'not gzip at all, but for its start' | { printf '\037\213\010'; cat; } >bomb
    refuses bomb 'cannot unpack "bomb": damaged gzip'
}

plan 14
it "refuses grains beyond the file" refuses_grains_beyond_the_file
it "refuses tables and directories beyond the file" refuses_tables_beyond_the_file
it "reads tables that overlap, and no more than they say" reads_tables_that_overlap
it "refuses grains that inflate to more than a grain" refuses_grains_that_inflate_too_far
it "refuses lengths beyond reason" refuses_lengths_beyond_reason
it "refuses capacities beyond reason, of 2^63 and more" refuses_capacities_beyond_reason
it "refuses chains without end" refuses_loops
it "refuses a parent that was changed" refuses_a_parent_that_was_changed
it "refuses names that lead out of the folder" refuses_names_that_lead_out
it "refuses descriptors without end" refuses_texts_without_end
it "refuses qcow2 images beyond reason" refuses_qcow2_beyond_reason
it "refuses clusters that unpack to more or less than a cluster" refuses_clusters_that_unpack_too_far
it "opens qcow2 of any size at once" opens_qcow2_of_any_size_at_once
it "unpacks bombs in little memory" unpacks_bombs_in_little_memory
finish
