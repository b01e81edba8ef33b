#!/bin/sh
# gantry-copy: formats, sources and destinations, compared byte by byte with what QEMU's tools read
# and write.
. "$(dirname "$0")/functions.sh"
requires qemu-img "tests compare with it"
requires qemu-nbd "some formats are read by it"
requires nbdkit "tests serve NBD with it"
copy=$bin/gantry-copy
export LSAN_OPTIONS=detect_leaks=${GANTRY_LEAKS:-1}

# raw FILE: 20 MiB and a bit, with data, zeroes that are stored, and holes; ends within a sector.
raw() {
    truncate -s 20971937 "$1"
    head -c 3000000 "$source_root/build.ninja" /dev/urandom 2>/dev/null |
        dd of="$1" conv=notrunc status=none
    head -c 700000 /dev/urandom | dd of="$1" bs=1 seek=9000001 conv=notrunc oflag=seek_bytes \
        status=none
    head -c 200000 /dev/zero | dd of="$1" bs=65536 seek=200 conv=notrunc status=none
    printf 'the end' | dd of="$1" bs=1 seek=20971930 conv=notrunc status=none
}

# as_qemu FORMAT FILE OUT: what QEMU reads, as raw
as_qemu() {
    qemu-img convert -f "$1" -O raw "$2" "$3"
}

sample=$work/sample.raw
raw "$sample"

copies_raw() {
    "$copy" --quiet "$sample" "$work/out"
    cmp "$sample" "$work/out"
    [ "$(stat -c %b "$work/out")" -lt 24000 ] || fail "holes were filled"
}

copies_sizes() {
    for size in 0 1 511 512 513 4095 4096 65537 1048576 1048577; do
        head -c $size /dev/urandom >"$work/in"
        "$copy" --quiet "$work/in" "$work/out"
        cmp "$work/in" "$work/out" || fail "size $size"
    done
}

# reads FORMAT QEMU-OPTIONS...
reads() {
    format=$1
    shift
    qemu-img convert -f raw -O "$format" "$@" "$sample" "$work/in"
    as_qemu "$format" "$work/in" "$work/want"
    rm -f "$work/out"
    "$copy" --quiet "$work/in" "$work/out"
    cmp "$work/want" "$work/out"
    # Again over what is there, by the stream's digest, and from inside an OVA.
    "$copy" --quiet --digest sha256 "$work/in" "$work/out"
    cmp "$work/want" "$work/out"
    cd "$work"
    tar --format=ustar -cf vm.ova in
    "$copy" --quiet "ova:vm.ova#in" out
    cmp want out
}

reads_split() {
    cd "$work"
    mkdir -p split
    qemu-img convert -f raw -O vmdk -o subformat="$1" "$sample" split/disk.vmdk
    as_qemu vmdk split/disk.vmdk want
    "$copy" --quiet split/disk.vmdk out
    cmp want out
    cd split
    tar --format=gnu -cf ../split.ova -- *
    cd ..
    "$copy" --quiet ova:split.ova#disk.vmdk out
    cmp want out
    rm -r split
}

reads_luks() {
    printf secret >"$work/key"
    # it measures the machine to choose the rounds of the key, and gives up where that is uneven
    tries=0
    until qemu-img create -q -f luks --object "secret,id=k,file=$work/key" \
        -o key-secret=k,iter-time=10 "$work/luks" 4M; do
        tries=$((tries + 1))
        [ $tries -lt 10 ] || skip "qemu-img cannot measure this machine"
    done
    qemu-img convert -n --object "secret,id=k,file=$work/key" --image-opts --target-image-opts \
        "driver=raw,file.filename=$sample,size=2097152" \
        "driver=luks,key-secret=k,file.filename=$work/luks" 2>/dev/null || skip "qemu-img has no LUKS"
    "$copy" --quiet --luks-key-file "$work/key" "$work/luks" "$work/out"
    cmp -n 2097152 "$sample" "$work/out"
}

reads_streams() {
    cd "$work"
    cat "$sample" | "$copy" --quiet - out
    cmp "$sample" out
    for tool in gzip xz zstd; do
        $tool -1 -c "$sample" >packed
        "$copy" --quiet packed out
        cmp "$sample" out
        "$copy" --quiet --digest sha1 - out <packed
        cmp "$sample" out
    done
    qemu-img convert -f raw -O vmdk -o subformat=streamOptimized "$sample" stream
    as_qemu vmdk stream want
    "$copy" --progress=json --digest sha256 - out <stream >json
    cmp want out
    contains "$(tail -n 1 json)" "$(sha256sum stream | cut -d' ' -f1)"
    gzip -1 -c stream >packed
    tar -cf gz.ova packed
    "$copy" --quiet ova:gz.ova#packed out
    cmp want out
}

refuses_short_streams() {
    cd "$work"
    qemu-img convert -f raw -O vmdk -o subformat=streamOptimized "$sample" stream
    head -c 3000320 stream >short
    same "$("$copy" --quiet - out <short 2>&1 >/dev/null | grep -c 'ends early')" 1
    status=0
    "$copy" --quiet - out <short 2>/dev/null || status=$?
    same $status 3
}

copies_nbd() {
    cd "$work"
    truncate -s 20971937 served
    nbdkit -U - file "$sample" --run "'$copy' --quiet \"\$uri\" out"
    cmp "$sample" out
    nbdkit -U - file served --run "'$copy' --quiet '$sample' \"\$uri\""
    cmp "$sample" served
    # over old content
    head -c 20971937 /dev/urandom >served
    nbdkit -U - file served --run "'$copy' --quiet '$sample' \"\$uri\""
    cmp "$sample" served
}

writes_qcow2() {
    "$copy" --quiet --format qcow2 "$sample" "$work/out.qcow2"
    qemu-img compare -f raw -F qcow2 "$sample" "$work/out.qcow2"
    qemu-img check -q "$work/out.qcow2"
}

opens_huge_disks() {
    qemu-img create -q -f vmdk "$work/huge.vmdk" 2T
    truncate -s 8T "$work/huge.raw"
    printf data | dd of="$work/huge.raw" bs=1 seek=7000000000000 conv=notrunc oflag=seek_bytes \
        status=none
    timeout 20 "$copy" --quiet "$work/huge.vmdk" "$work/out"
    same "$(stat -c %s "$work/out")" 2199023255552
    timeout 20 "$copy" --quiet "$work/huge.raw" "$work/out"
    same "$(dd if="$work/out" bs=1 skip=7000000000000 count=4 iflag=skip_bytes status=none)" data
    rm "$work/out" "$work/huge.raw"
}

copies_only_areas() {
    cd "$work"
    cp "$sample" changed
    printf 'changed' | dd of=changed bs=1 seek=5000000 conv=notrunc oflag=seek_bytes status=none
    dd if=/dev/zero of=changed bs=65536 seek=137 count=2 conv=notrunc status=none
    "$copy" --quiet "$sample" out
    printf '4999168 1024\n8978432 131072\n' | "$copy" --quiet --extents - changed out
    cmp changed out
    printf '[{"start":0,"length":99999999}]' >beyond
    status=0
    "$copy" --quiet --extents beyond changed out 2>err || status=$?
    same $status 1
    contains "$(cat err)" "reaches behind the disk's end"
}

keeps_a_map() {
    cd "$work"
    rm -f out
    "$copy" --quiet --map map --verify "$sample" out
    "$copy" --quiet --verify-only --map map out
    "$copy" --quiet --verify-only "$sample" out
    contains "$("$copy" --show-map map | head -n 2)" complete
    printf x | dd of=out bs=1 seek=9100000 conv=notrunc oflag=seek_bytes status=none
    for arguments in "--map map out" "$sample out"; do
        status=0
        "$copy" --quiet --verify-only $arguments 2>err || status=$?
        same $status 5
        contains "$(cat err)" "the first at byte 8388608"
    done
    contains "$("$copy" --progress=json --map map --resume "$sample" out | tail -n 1)" \
        '"repaired":1048576'
    cmp "$sample" out
}

# Kills the copy at different moments and goes on; at the end all bytes must be there, and what was
# repeated is little.
resumes() {
    cd "$work"
    qemu-img convert -f raw -O vmdk -o subformat=streamOptimized "$sample" in
    as_qemu vmdk in want
    round=0
    while [ $round -lt "${GANTRY_KILL_ROUNDS:-6}" ]; do
        rm -f out map
        GANTRY_FAULTS="copy.write=kill@$((round * 2 + 2))" \
            "$copy" --quiet --threads 1 --request-size 256Ki --map map in out 2>/dev/null &&
            fail "was not killed"
        "$copy" --quiet --request-size 256Ki --map map --resume in out
        cmp want out
        "$copy" --quiet --verify-only --map map out
        round=$((round + 1))
    done
}

# kept: the "kept" of the last report
kept() {
    sed -n 's/.*"kept":\([0-9]*\).*/\1/p' "$work/report" | tail -1
}

begins_a_checkpoint_anew() {
    cp "$sample" "$work/in"
    rm -f "$work/out" "$work/map"
    run_checkpoint() { "$copy" --progress=json --checkpoint "$work/map" "$1" "$work/out" >"$work/report"; }
    run_checkpoint "$work/in"
    same "$(kept)" 0
    run_checkpoint "$work/in"
    [ "$(kept)" -gt 3000000 ] || fail "nothing was kept: $(kept)"
    # another content of another time: nothing of the old map counts
    touch -d '-1 day' "$work/in"
    run_checkpoint "$work/in"
    same "$(kept)" 0
    cmp "$sample" "$work/out"
    echo damaged >"$work/map"
    run_checkpoint "$work/in"
    same "$(kept)" 0
    cmp "$sample" "$work/out"
    # what can only be read front to back has no map
    gzip -c "$sample" >"$work/in.gz"
    rm -f "$work/map"
    run_checkpoint "$work/in.gz"
    cmp "$sample" "$work/out"
    [ ! -e "$work/map" ] || fail "a map of a stream"
}

joins_chunks() {
    qemu-img convert -f raw -O vmdk -o subformat=streamOptimized "$sample" "$work/cut.vmdk"
    as_qemu vmdk "$work/cut.vmdk" "$work/want"
    split -b 1000000 -a 9 -d "$work/cut.vmdk" "$work/cut.vmdk."
    whole=$(sha256sum <"$work/cut.vmdk" | cut -d' ' -f1)
    rm "$work/cut.vmdk"
    "$copy" --quiet --expect "$whole" "$work/cut.vmdk" "$work/out"
    cmp "$work/want" "$work/out"
    second=$(sha1sum <"$work/cut.vmdk.000000001" | cut -d' ' -f1)
    "$copy" --quiet --expect-chunk "0:$(sha256sum <"$work/cut.vmdk.000000000" | cut -d' ' -f1)" \
        --expect-chunk "1:sha1:$second" "$work/cut.vmdk" "$work/out"
    fails_with 3 --expect-chunk "0:sha1:$second" "$work/cut.vmdk" "$work/out"
    contains "$(cat "$work/err")" "chunk 0 of \"$work/cut.vmdk\""
    rm "$work/cut.vmdk.000000001"
    ! "$copy" --quiet "$work/cut.vmdk" "$work/out" 2>"$work/err" || fail "a chunk is missing"
    "$copy" --quiet zero:5000000 "$work/empty"
    same "$(stat -c %s "$work/empty")" 5000000
    same "$(tr -d '\0' <"$work/empty" | wc -c)" 0
    ! "$copy" --quiet zero:many "$work/empty" 2>"$work/err" || fail "a size that is none"
    contains "$(cat "$work/err")" 'zero:many'
}

refuses_a_changed_source() {
    cd "$work"
    cp "$sample" in
    GANTRY_FAULTS=copy.write=kill@3 "$copy" --quiet --map map in out 2>/dev/null && fail "not killed"
    touch in
    "$copy" --quiet --map map --resume in out 2>err && fail "accepted"
    contains "$(cat err)" "was changed since"
}

fails_with() {
    want=$1
    shift
    status=0
    "$copy" --quiet "$@" 2>"$work/err" || status=$?
    same $status "$want"
    same "$(grep -vc hint: "$work/err")" 1
}

has_exit_statuses() {
    cd "$work"
    fails_with 2 --no-such-option a b
    fails_with 2 only-one
    fails_with 2 "$sample" "$sample"
    fails_with 3 absent out
    contains "$(cat err)" absent
    fails_with 3 --expect "$(printf %064d 7)" "$sample" out
    fails_with 4 "$sample" /proc/no/such/place
    GANTRY_FAULTS=copy.finish=fail@1 fails_with 4 "$sample" out
    GANTRY_FAULTS=copy.write=fail@2 fails_with 4 "$sample" out
    truncate -s 1M small
    nbdkit -U - file small --run "'$copy' --quiet '$sample' \"\$uri\"" 2>err && fail "accepted"
    contains "$(cat err)" "has 1048576 bytes, the disk 20971937"
}

reports_server_errors() {
    cd "$work"
    status=0
    nbdkit -U - --filter=error file "$sample" error-pread=EIO error-pread-rate=50% \
        --run "'$copy' --quiet \"\$uri\" out" 2>err || status=$?
    same $status 3
    contains "$(cat err)" "cannot read"
    cp "$sample" served
    status=0
    nbdkit -U - --filter=error file served error-pwrite=ENOSPC error-pwrite-rate=100% \
        --run "'$copy' --quiet '$sample' \"\$uri\"" 2>err || status=$?
    same $status 4
    contains "$(cat err)" "No space left"
    status=0
    nbdkit -U - --filter=delay file "$sample" delay-read=20 \
        --run "timeout 15 '$copy' --quiet --timeout 1 \"\$uri\" out" 2>err || status=$?
    same $status 3
    contains "$(cat err)" "--timeout"
}

survives_a_full_disk() {
    cd "$work"
    requires_root
    mkdir -p full
    mount -t tmpfs -o size=2M none full || skip "cannot mount a tmpfs"
    cleanup_fn umount "$work/full"
    status=0
    "$copy" --quiet --map map "$sample" full/out 2>err || status=$?
    same $status 4
    contains "$(cat err)" "No space left"
    mount -o remount,size=30M full
    "$copy" --quiet --map map --resume "$sample" full/out
    cmp "$sample" full/out
    umount full
}

refuses_paths_outside() {
    cd "$work"
    mkdir -p inside
    printf 'secret secret secret' >outside
    truncate -s 1M outside
    for name in ../outside "$work/outside" link; do
        ln -sf ../outside inside/link
        printf '# Disk DescriptorFile\nCID=1\nparentCID=ffffffff\ncreateType="vmfs"\nRW 2048 VMFS "%s"\n' \
            "$name" >inside/disk.vmdk
        fails_with 3 inside/disk.vmdk out
        contains "$(cat err)" "--allow-paths"
        "$copy" --quiet --allow-paths inside/disk.vmdk out
    done
    qemu-img create -q -f qcow2 -F raw -b "$work/outside" inside/disk.qcow2
    fails_with 3 inside/disk.qcow2 out
}

hides_latency() {
    cd "$work"
    start=$(date +%s%N)
    nbdkit -U - --filter=delay file "$sample" delay-read=50ms \
        --run "'$copy' --quiet --request-size 256Ki \"\$uri\" out"
    middle=$(date +%s%N)
    nbdkit -U - --filter=delay file "$sample" delay-read=50ms \
        --run "'$copy' --quiet --request-size 256Ki --requests 1 --connections 1 \"\$uri\" out"
    end=$(date +%s%N)
    cmp "$sample" out
    [ $(((end - middle) / (middle - start))) -ge 2 ] || fail "no faster than one at a time"
}

# On btrfs a raw file is shared with its copy; what cannot be shared is copied.
shares_storage() {
    cd "$work"
    [ "$(id -u)" = 0 ] || skip "needs root"
    command -v mkfs.btrfs >/dev/null || skip "no mkfs.btrfs"
    truncate -s 200M btrfs.img
    mkfs.btrfs -q btrfs.img
    mkdir -p btrfs
    mount -o loop btrfs.img btrfs || skip "cannot mount btrfs"
    cleanup_fn umount "$work/btrfs"
    cp "$sample" btrfs/in
    shared=$("$copy" --progress=json btrfs/in btrfs/out | tail -n 1 | jq .shared)
    [ "$shared" -gt 3000000 ] || fail "$shared bytes shared"
    cmp btrfs/in btrfs/out
    # the copy is a copy: changing the source leaves it alone
    dd if=/dev/zero of=btrfs/in bs=1M count=3 conv=notrunc status=none
    cmp "$sample" btrfs/out
    same "$("$copy" --progress=json btrfs/in out | tail -n 1 | jq .shared)" 0
    cmp btrfs/in out
    same "$("$copy" --progress=json --map map btrfs/in btrfs/out | tail -n 1 | jq .shared)" 0
    cmp btrfs/in btrfs/out
    umount btrfs
}

plan 30
it "shares storage where the file system can" shares_storage
it "copies raw disks with their holes" copies_raw
it "copies any size" copies_sizes
it "reads streamOptimized VMDK" reads vmdk -o subformat=streamOptimized
it "reads monolithicSparse VMDK" reads vmdk -o subformat=monolithicSparse
it "reads monolithicFlat VMDK" reads_split monolithicFlat
it "reads twoGbMaxExtentSparse VMDK" reads_split twoGbMaxExtentSparse
it "reads twoGbMaxExtentFlat VMDK" reads_split twoGbMaxExtentFlat
it "reads qcow2" reads qcow2
it "reads compressed qcow2" reads qcow2 -c
it "reads VHD" reads vpc
it "reads VHDX" reads vhdx
it "reads VDI" reads vdi
it "reads LUKS" reads_luks
it "reads streams and compressed files" reads_streams
it "refuses streams that end early" refuses_short_streams
it "copies from and to NBD" copies_nbd
it "writes qcow2" writes_qcow2
it "opens huge disks at once" opens_huge_disks
it "copies only the areas it is told" copies_only_areas
it "keeps a block map, verifies and repairs" keeps_a_map
it "goes on after being killed" resumes
it "begins a checkpoint anew where it does not fit" begins_a_checkpoint_anew
it "joins chunks, and makes empty disks" joins_chunks
it "refuses to go on with a changed source" refuses_a_changed_source
it "ends with the right exit status and one line" has_exit_statuses
it "reports errors and silence of servers" reports_server_errors
it "goes on after a full disk" survives_a_full_disk
it "refuses paths outside the image's folder" refuses_paths_outside
it "has many requests in flight" hides_latency
finish
