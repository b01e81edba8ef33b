#!/bin/sh
# gantry-copy: every format, size, kind of source and kind of destination, compared with what qemu-img
# makes of the same image: bytes and holes.
#
# By default every format is read in every size from a file, and a few combinations of the rest are
# tried.  GANTRY_MATRIX=full tries all.
. "$(dirname "$0")/functions.sh"
requires qemu-img "tests compare with it"
requires qemu-nbd "some formats are read by it"
requires nbdkit "tests serve NBD with it"
requires nbdcopy "tests compare with it"
requires python3 "images in VMware's layouts are written with it"
copy=$bin/gantry-copy
make_vmdk=$source_root/tests/copy/make-vmdk
full=false
[ "${GANTRY_MATRIX:-}" != full ] || full=true

vmdks='stream-1-behind stream-2-behind stream-3-behind stream-1-front stream-2-front stream-3-front
    sparse sparse-zeroes split-sparse flat vmfs split-flat cowd sesparse'
packed='gz zst xz'
qcow2s='qcow2 qcow2-packed qcow2-zstd qcow2-2 qcow2-512 qcow2-2M qcow2-sub qcow2-packed-sub'
by_qemu='vhd vhd-fixed vhdx vdi luks'
formats="raw $vmdks $packed $qcow2s $by_qemu ova-stream ova-raw ova-qcow2"
sizes='empty one odd ragged exact huge'

# make_sample SIZE FILE: a disk with data, stored zeroes of several lengths, and holes
make_sample() {
    case $1 in
    empty) : >"$2" && return ;;
    one) printf x >"$2" && return ;;
    odd) bytes=3146505 ;;    # ends inside a sector
    ragged) bytes=3148288 ;; # ends with a sector, inside a grain
    exact) bytes=4194304 ;;
    huge)
        truncate -s 62T "$2" || return 1
        for at in 0 34084860461056 68169720921600; do
            head -c 512 /dev/urandom |
                dd of="$2" conv=notrunc status=none seek=$at oflag=seek_bytes
        done
        return
        ;;
    esac
    truncate -s $bytes "$2"
    head -c 800000 /dev/urandom | dd of="$2" conv=notrunc status=none bs=1M
    # stored zeroes: 512 bytes, a page, a bit more, half a grain
    printf '100000 512\n204800 4096\n300001 5000\n393216 32768\n' | while read -r at len; do
        head -c "$len" /dev/zero |
            dd of="$2" conv=notrunc status=none bs=1M seek="$at" oflag=seek_bytes
    done
    head -c 150000 /dev/urandom |
        dd of="$2" conv=notrunc status=none bs=1M seek=1900033 oflag=seek_bytes
    head -c 200000 /dev/zero |
        dd of="$2" conv=notrunc status=none bs=1M seek=2400000 oflag=seek_bytes
    printf 'the end' | dd of="$2" conv=notrunc status=none seek=$((bytes - 7)) oflag=seek_bytes
}

qemu_options() {
    case $1 in
    qcow2-packed) echo "qcow2 -c" ;;
    qcow2-zstd) echo "qcow2 -c -o compression_type=zstd" ;;
    qcow2-2) echo "qcow2 -o compat=0.10" ;;
    qcow2-512 | qcow2-2M) echo "qcow2 -c -o cluster_size=${1#qcow2-}" ;;
    qcow2-sub) echo "qcow2 -o extended_l2=on" ;;
    qcow2-packed-sub) echo "qcow2 -c -o extended_l2=on,cluster_size=16k" ;;
    vhd) echo "vpc -o force_size=on" ;;
    vhd-fixed) echo "vpc -o subformat=fixed,force_size=on" ;;
    *) echo "$1" ;;
    esac
}

make_luks() {
    printf secret >key
    cp "$1" padded && truncate -s %512 padded
    # it measures the machine to choose the rounds of the key, and gives up where that is uneven
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        ! qemu-img create -q -f luks --object secret,id=k,file=key -o key-secret=k,iter-time=10 image \
            "$(stat -c %s padded)" 2>/dev/null || break
    done
    qemu-img convert -n --object secret,id=k,file=key --target-image-opts -f raw padded \
        driver=luks,key-secret=k,file.filename=image 2>/dev/null || skip "qemu-img has no LUKS"
}

# make_image FORMAT: image (or what $source names) from sample, in the folder we are in; sets $source,
# $options for gantry-copy, $as for qemu-img (empty: it does not read this)
make_image() {
    source=image options= as=raw
    case $1 in
    raw) ln sample image ;;
    gz) gzip -1 -c sample >image && as= ;;
    zst) zstd -q -1 -c sample >image && as= ;;
    xz) xz -0 -c sample >image && as= ;;
    ova-stream)
        "$make_vmdk" stream-3-behind sample disk.vmdk && as=
        tar --format=ustar -cf vm.ova disk.vmdk && source='ova:vm.ova#disk.vmdk' && rm disk.vmdk
        ;;
    ova-raw) tar --format=gnu -cf vm.ova sample && source='ova:vm.ova#sample' as= ;;
    luks) make_luks sample && options="--luks-key-file key" as= ;;
    ova-qcow2)
        qemu-img convert -c -f raw -O qcow2 sample disk.qcow2
        tar --format=ustar -cf vm.ova disk.qcow2 && source='ova:vm.ova#disk.qcow2' as= && rm disk.qcow2
        ;;
    qcow2* | vhd* | vhdx | vdi)
        qemu-img convert -f raw -O $(qemu_options "$1") sample image
        as=$(qemu_options "$1") && as=${as%% *}
        # nothing at its start says what it is
        [ "$1" != vhd-fixed ] || options="--source-format vhd"
        ;;
    *) "$make_vmdk" "$1" sample image && as=vmdk ;;
    esac
}

# Why a cell of the table is empty; nothing if it is not.
not_possible() { # FORMAT SIZE SOURCE
    case $2,$1 in
    huge,gz | huge,zst | huge,xz) echo "would pack 62 TiB of zeroes" ;;
    huge,luks) echo "an encrypted disk has no holes" ;;
    huge,vhd | huge,vhd-fixed) echo "ends at 2040 GiB" ;;
    huge,vhdx) echo "qemu-nbd does not tell its holes: all would be read" ;;
    huge,vdi) echo "its table would have 256 MB" ;;
    huge,cowd) echo "ends at 2 TiB" ;;
    huge,qcow2-512) echo "ends at 128 GiB" ;;
    huge,qcow2-packed-sub) echo "ends at 32 TiB" ;;
    huge,ova-raw) echo "tar does not store 62 TiB" ;;
    empty,vhd* | empty,vdi | empty,vhdx | empty,luks) echo "has no disks without bytes" ;;
    esac
    case $3,$1 in
    stdin,raw | stdin,stream-* | stdin,gz | stdin,zst | stdin,xz) ;;
    stdin,*) echo "cannot be read front to back" ;;
    nbd,ova-*) echo "an export has no members" ;;
    nbd,gz | nbd,zst | nbd,xz | nbd,luks | nbd,vhd-fixed) echo "an export is a disk, not a stream" ;;
    nbd,split-* | nbd,flat | nbd,vmfs | nbd,cowd | nbd,sesparse)
        case $2 in
        huge) echo "qemu-nbd asks for each of its grains" ;;
        empty) echo "it is no VMDK for qemu-nbd" ;;
        esac
        ;;
    esac
    case $2,$3,$1 in
    huge,stdin,raw) echo "a pipe has no holes" ;;
    huge,*,stream-*-front | huge,*,sparse*) echo "has 4 GiB of tables" ;;
    huge,nbd,stream* | huge,nbd,split*) echo "qemu-nbd asks for each of its grains" ;;
    esac
}

# copy_from SOURCE-KIND DESTINATION [OPTION...]
copy_from() {
    kind=$1 to=$2
    shift 2
    case $kind in
    file) "$copy" --quiet $options "$@" "$source" "$to" ;;
    stdin) "$copy" --quiet "$@" - "$to" <"$source" ;;
    # the bytes of our own formats are served as they are, others by who reads them
    nbd)
        if [ "$as" = raw ]; then
            nbdkit -r -U - file image --run "'$copy' --quiet $* \"\$uri\" '$to'"
        elif [ "$made_as" = vmdk ] && ! ls -- *.vmdk >ls.log 2>&1; then
            nbdkit -r -U - file image \
                --run "'$copy' --quiet --source-format vmdk $* \"\$uri\" '$to'"
        else
            qemu-nbd -t -r -f "$as" -k "$PWD/from" --pid-file=pid image &
            wait_until 20 test -S from
            "$copy" --quiet "$@" "nbd+unix:///?socket=$PWD/from" "$to" || result=$?
            kill "$(cat pid)" && wait
            rm -f from
            return "${result:-0}"
        fi
        ;;
    esac
}

# same_bytes FORMAT FILE: the destination is the disk; behind its end, zeroes alone
same_bytes() {
    qemu-img compare -f raw -F "$1" want "$2" || fail "$2 differs"
}

to_raw() {
    copy_from "$1" out
    same_bytes raw out
    [ "$(stat -c %s out)" = "$(stat -c %s want)" ] || fail "not as long as qemu-img's"
    if [ -f by-qemu ]; then # it fills up the last sector
        truncate -s %512 out
        qemu-img compare -s -f raw -F raw by-qemu out || fail "other holes than qemu-img's"
    fi
    # and again over another disk's bytes
    [ "$size" = huge ] || {
        head -c "$(stat -c %s want)" /dev/urandom >out
        copy_from "$1" out
        same_bytes raw out
    }
}

to_qcow2() {
    case $format,$1 in gz,* | zst,* | xz,* | raw,stdin)
        # it cannot be made without knowing the size
        ! copy_from "$1" out.qcow2 --format qcow2 || fail "wrote it"
        return 0
        ;;
    esac
    rm -f out.qcow2 want.qcow2
    copy_from "$1" out.qcow2 --format qcow2
    same_bytes qcow2 out.qcow2
    qemu-img check -q out.qcow2
    qemu-img convert -f raw -O qcow2 want want.qcow2
    qemu-img compare -s -f qcow2 -F qcow2 want.qcow2 out.qcow2 || fail "other clusters are stored"
}

to_nbd() {
    rm -f served pid-to
    truncate -s "$(stat -c %s want)" served
    [ "$size" = huge ] || head -c "$(stat -c %s want)" /dev/urandom >served
    nbdkit -U to -P pid-to file served
    wait_until 20 test -s pid-to
    copy_from "$1" "nbd+unix:///?socket=$PWD/to" || nbd_result=$?
    kill "$(cat pid-to)"
    rm -f to
    [ "${nbd_result:-0}" = 0 ] || return 1
    same_bytes raw served
}

to_block() {
    [ "$(id -u)" = 0 ] || skip "needs root"
    rm -f blocks
    truncate -s "$(stat -c %s want)" blocks
    truncate -s ">4096" blocks
    truncate -s %4096 blocks
    [ "$size" = huge ] || head -c "$(stat -c %s blocks)" /dev/urandom >blocks
    device=$(losetup --show -f blocks 2>/dev/null) || skip "no loop devices"
    copy_from "$1" "$device" || block_result=$?
    losetup -d "$device"
    [ "${block_result:-0}" = 0 ] || return 1
    if [ "$size" = huge ]; then
        same_bytes raw blocks
    else # what lies behind the disk on a larger device stays
        cmp -n "$(stat -c %s want)" want blocks
    fi
}

to_null() {
    copy_from "$1" null:
}

# cell FORMAT SIZE SOURCE DESTINATION...
cell() {
    format=$1 size=$2 from=$3
    shift 3
    folder=$work/cell
    [ "$size" != huge ] || folder=$huge_folder
    [ -n "$folder" ] || skip "no file system here holds a file of 62 TiB"
    rm -rf "$folder" && mkdir "$folder" && cd "$folder"
    if [ "$size" = huge ]; then ln "$huge_sample" sample; else ln "$samples/$size" sample; fi
    make_image "$format"
    made_as=$as
    [ "$size,$as" != empty,vmdk ] || as= # it is no VMDK for qemu-img
    # What to expect: as qemu-img reads it, where it can; the sample itself, filled up to a sector by
    # formats that have nothing less, must be the same.
    cp --sparse=always sample want
    case $format in raw | gz | zst | xz | ova-raw) ;; *) truncate -s %512 want ;; esac
    if [ -n "$as" ] && [ "$size" != huge ]; then
        qemu-img convert -f "$as" -O raw image by-qemu
        qemu-img compare -f raw -F raw want by-qemu || fail "qemu-img reads another disk"
    fi
    if [ "$format" = raw ] && [ "$size" != huge ]; then
        truncate -s "$(stat -c %s want)" by-nbdcopy
        nbdcopy --destination-is-zero image by-nbdcopy
        cmp want by-nbdcopy || fail "nbdcopy makes another disk"
    fi
    for to; do
        "to_$to" "$from"
    done
    rm -rf "$folder"
}

samples=$work/samples
mkdir "$samples"
for size in $sizes; do
    [ "$size" = huge ] || make_sample "$size" "$samples/$size"
done
# ext4 ends at 16 TiB: memory holds larger files, if they are sparse
huge_folder= huge_sample=$work/huge
for place in "$work" /dev/shm; do
    [ -w "$place" ] && truncate -s 62T "$place/gantry-test-$$" 2>/dev/null &&
        huge_folder=$place/gantry-test-$$.d huge_sample=$place/gantry-test-$$ && break
    rm -f "$place/gantry-test-$$"
done
cleanup_fn rm -rf "$huge_folder" "$huge_sample"
[ -z "$huge_folder" ] || make_sample huge "$huge_sample"

# cells: the lines "FORMAT SIZE SOURCE DESTINATION..." that are tried
cells() {
    for format in $formats; do
        for size in $sizes; do
            for from in file stdin nbd; do
                [ -z "$(not_possible "$format" "$size" "$from")" ] || continue
                if $full; then
                    echo "$format $size $from raw block nbd qcow2 null"
                elif [ $from = file ]; then
                    case $size,$format in
                    empty,qcow2-* | one,qcow2-* | exact,qcow2-*) ;; # like qcow2
                    *) echo "$format $size $from raw" ;;
                    esac
                elif [ "$size" = odd ]; then
                    echo "$format $size $from raw"
                fi
            done
        done
    done
    $full || printf '%s\n' "raw odd file block nbd qcow2 null" "raw huge file qcow2 block" \
        "stream-3-behind ragged file block nbd qcow2 null" "stream-1-front odd stdin block nbd qcow2" \
        "gz odd file nbd qcow2 block" "cowd exact file qcow2 nbd" "sesparse ragged nbd nbd" \
        "qcow2 exact file nbd qcow2 block" "raw odd nbd nbd block qcow2" "raw empty file nbd qcow2 null"
}

cells >"$work/cells"
plan "$(wc -l <"$work/cells")"
while read -r format size from to; do
    it "$format, $size, from $from to $to" cell "$format" "$size" "$from" $to
done <"$work/cells"
finish
