#!/bin/bash
# gantry-copy beside qemu-img and nbdcopy: the same files, in turn, each from a clean disk.  Prints the
# median ratio of wall times (ours to the peer's) of ROUNDS pairs, both medians, and our peak memory;
# for streamOptimized disks also the ratio to the floor that bench/copy_floor.c measures in between.
#
# FIXTURE is a raw disk to use; without it an ext4 image with DATA_MB of this machine's /usr is made.
# The disk and its forms are kept in BENCH_DIR (/var/tmp) for the next time.  ONLY is a pattern of titles.
set -eu
copy=$BUILD/src/main/gantry-copy
floor=$BUILD/tests/bench-copy-floor
rounds=${ROUNDS:-5}
data_mb=${DATA_MB:-1550}
only=${ONLY:-}
base=${BENCH_DIR:-/var/tmp}
cache=$base/gantry-bench-copy
work=$(mktemp -d "$base/gantry-bench.XXXXXX")
trap 'rm -rf "$work"' EXIT
for program in qemu-img nbdcopy nbdkit mke2fs; do
    command -v $program >/dev/null || { echo "copy: no $program, not measured"; exit 0; }
done

make_disk() {
    find /usr/share /usr/include /usr/lib /usr/bin -xdev -type f -printf '%s %p\n' |
        awk -v limit=$((data_mb * 1000000)) '{sum += $1; if (sum > limit) exit; print $2}' >list
    mkdir tree
    tar -cf - -T list 2>/dev/null | tar -xf - -C tree
    truncate -s 4G disk.raw
    mke2fs -q -F -t ext4 -d tree disk.raw
    rm -rf tree list
}

# form NAME QEMU-IMG-OPTIONS...: the disk in another format
form() {
    [ -f "$1" ] && return
    qemu-img convert -W -m 8 "${@:2}" disk.raw "$1.new"
    mv "$1.new" "$1"
}

[ -z "${FIXTURE:-}" ] || cache=$work/forms
mkdir -p "$cache"
cd "$cache"
if [ -n "${FIXTURE:-}" ]; then
    cp --sparse=always "$FIXTURE" disk.raw
elif [ ! -f made-"$data_mb" ]; then
    rm -f ./*
    make_disk
    touch made-"$data_mb"
fi
form stream.vmdk -O vmdk -o subformat=streamOptimized
form sparse.vmdk -O vmdk -o subformat=monolithicSparse
form zlib.qcow2 -c -O qcow2
form zstd.qcow2 -c -O qcow2 -o compression_type=zstd
[ -f full.raw ] || { head -c 1536M /dev/urandom >full.raw.new && mv full.raw.new full.raw; }
cd "$work"
for name in disk.raw stream.vmdk sparse.vmdk zlib.qcow2 zstd.qcow2 full.raw; do
    ln -s "$cache/$name" "$name"
    cat "$name" >/dev/null # in memory for everybody
done

# milliseconds COMMAND: its wall time, from a clean disk
milliseconds() {
    rm -f out.raw out.qcow2
    sync
    sleep 0.3 # let the disk discard what was deleted
    local start end
    start=$(date +%s%N)
    eval "$1" >/dev/null || return 1
    end=$(date +%s%N)
    echo $(((end - start) / 1000000))
}

# pair TITLE PEER-COMMAND OUR-COMMAND [FLOOR: the awk expression of it over inflate, direct, buffered]
pair() {
    local peer ours best=0
    wanted "$1" || return 0
    : >pairs
    for _ in $(seq "$rounds"); do
        peer=$(milliseconds "$2")
        ours=$(milliseconds "$3")
        if [ -n "${4:-}" ]; then
            sync
            best=$("$floor" stream.vmdk scratch "${4##* }" | awk "{inflate = \$1; direct = \$2; buffered = \$3
                print ($4)}")
        fi
        echo "$ours $peer $best" >>pairs
    done
    awk '{printf "%.3f %d %d %.3f %d\n", $1 / $2, $1, $2, $3 ? $1 / $3 : 0, $3}' pairs | sort -n |
        awk -v title="$1" '{r[NR] = $1; a[NR] = $2; b[NR] = $3; f[NR] = $4; g[NR] = $5}
            END {m = int((NR + 1) / 2); n = asort_(f, NR); asort_(g, NR); asort_(a, NR); asort_(b, NR)
                 printf "%-44s ratio %.3f (%.3f to %.3f)  %d ms, peer %d ms",
                     title, r[m], r[1], r[NR], a[m], b[m]
                 if (g[m]) printf ", %.2f of the floor, %d ms", f[m], g[m]
                 print ""}
            function asort_(v, n,  i, j, t) {
                for (i = 2; i <= n; i++)
                    for (j = i; j > 1 && v[j - 1] > v[j]; j--) {t = v[j]; v[j] = v[j - 1]; v[j - 1] = t}
                return n}'
}

# wanted TITLE: whether ONLY asks for it
wanted() {
    # shellcheck disable=SC2254 # a pattern
    case $1 in *$only*) ;; *) return 1 ;; esac
}

echo "load before: $(cut -d' ' -f1-3 /proc/loadavg), $(nproc) processors"
convert='qemu-img convert -W -m 8'
nbd_copy='truncate -s 4G out.raw; nbdcopy --destination-is-zero'
serve='nbdkit -U - file'

pair "streamOptimized, durable, qemu-img -t none" \
    "$convert -t none -O raw stream.vmdk out.raw" "$copy --quiet stream.vmdk out.raw" \
    'inflate > direct ? inflate : direct'
pair "streamOptimized, through the page cache, qemu-img" \
    "$convert -O raw stream.vmdk out.raw" \
    "$copy --quiet --buffered --no-sync stream.vmdk out.raw" \
    'inflate > buffered ? inflate : buffered'
pair "streamOptimized, not durable, qemu-img" \
    "$convert -O raw stream.vmdk out.raw" "$copy --quiet --no-sync stream.vmdk out.raw" \
    'inflate > direct ? inflate : direct'
pair "monolithicSparse, durable, qemu-img -t none" \
    "$convert -t none -O raw sparse.vmdk out.raw" "$copy --quiet sparse.vmdk out.raw"
pair "monolithicSparse, not durable, qemu-img" \
    "$convert -O raw sparse.vmdk out.raw" \
    "$copy --quiet --no-sync sparse.vmdk out.raw"

pair "raw sparse, durable, qemu-img -t none" \
    "$convert -t none -O raw disk.raw out.raw" "$copy --quiet disk.raw out.raw"
pair "raw sparse, durable, nbdcopy --flush" "$nbd_copy --flush disk.raw out.raw" \
    "$copy --quiet disk.raw out.raw"
pair "raw sparse, not durable, qemu-img" \
    "$convert -O raw disk.raw out.raw" "$copy --quiet --no-sync disk.raw out.raw"
pair "raw sparse, not durable, nbdcopy" "$nbd_copy disk.raw out.raw" \
    "$copy --quiet --no-sync disk.raw out.raw"
pair "raw full, durable, qemu-img -t none" \
    "$convert -t none -O raw full.raw out.raw" "$copy --quiet full.raw out.raw"
pair "raw full, durable, nbdcopy --flush" \
    "truncate -s 1536M out.raw; nbdcopy --destination-is-zero --flush full.raw out.raw" \
    "$copy --quiet full.raw out.raw"
pair "raw full, not durable, qemu-img" \
    "$convert -O raw full.raw out.raw" "$copy --quiet --no-sync full.raw out.raw"
pair "raw full, not durable, nbdcopy" \
    "truncate -s 1536M out.raw; nbdcopy --destination-is-zero full.raw out.raw" \
    "$copy --quiet --no-sync full.raw out.raw"

pair "raw full, through the page cache, qemu-img" \
    "$convert -O raw full.raw out.raw" "$copy --quiet --buffered --no-sync full.raw out.raw"

pair "NBD to raw, durable, qemu-img -t none" \
    "$serve disk.raw --run '$convert -t none -f raw -O raw \$uri out.raw'" \
    "$serve disk.raw --run '$copy --quiet \$uri out.raw'"
pair "NBD to raw, durable, nbdcopy --flush" \
    "truncate -s 4G out.raw; $serve disk.raw --run 'nbdcopy --destination-is-zero --flush \$uri out.raw'" \
    "$serve disk.raw --run '$copy --quiet \$uri out.raw'"
pair "NBD to raw, not durable, qemu-img" \
    "$serve disk.raw --run '$convert -f raw -O raw \$uri out.raw'" \
    "$serve disk.raw --run '$copy --quiet --no-sync \$uri out.raw'"
pair "NBD to raw, not durable, nbdcopy" \
    "truncate -s 4G out.raw; $serve disk.raw --run 'nbdcopy --destination-is-zero \$uri out.raw'" \
    "$serve disk.raw --run '$copy --quiet --no-sync \$uri out.raw'"
pair "raw to NBD, durable, qemu-img -t none" \
    "truncate -s 4G out.raw; $serve out.raw --run '$convert -n --target-is-zero -t none -f raw -O raw disk.raw \$uri'" \
    "truncate -s 4G out.raw; $serve out.raw --run '$copy --quiet --destination-is-zero disk.raw \$uri'"
pair "raw to NBD, durable, nbdcopy --flush" \
    "truncate -s 4G out.raw; $serve out.raw --run 'nbdcopy --destination-is-zero --flush disk.raw \$uri'" \
    "truncate -s 4G out.raw; $serve out.raw --run '$copy --quiet --destination-is-zero disk.raw \$uri'"
pair "raw to NBD, not durable, qemu-img" \
    "truncate -s 4G out.raw; $serve out.raw --run '$convert -n --target-is-zero -f raw -O raw disk.raw \$uri'" \
    "truncate -s 4G out.raw; $serve out.raw --run '$copy --quiet --no-sync --destination-is-zero disk.raw \$uri'"
pair "raw to NBD, not durable, nbdcopy" \
    "truncate -s 4G out.raw; $serve out.raw --run 'nbdcopy --destination-is-zero disk.raw \$uri'" \
    "truncate -s 4G out.raw; $serve out.raw --run '$copy --quiet --no-sync --destination-is-zero disk.raw \$uri'"

for kind in zlib zstd; do
    pair "qcow2 $kind, durable, qemu-img -t none" \
        "$convert -t none -O raw $kind.qcow2 out.raw" "$copy --quiet $kind.qcow2 out.raw"
    pair "qcow2 $kind, not durable, qemu-img" \
        "$convert -O raw $kind.qcow2 out.raw" \
        "$copy --quiet --no-sync $kind.qcow2 out.raw"
done
pair "raw to qcow2, durable, qemu-img -t none" \
    "$convert -t none -O qcow2 disk.raw out.qcow2" "$copy --quiet --format qcow2 disk.raw out.qcow2"

peak() {
    python3 -c 'import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024)' "$@"
}
if wanted "peak memory"; then
    for source in stream.vmdk sparse.vmdk disk.raw full.raw zlib.qcow2 zstd.qcow2; do
        rm -f out.raw
        echo "peak memory, $source: $(peak "$copy" --quiet "$source" out.raw) MiB"
    done
    rm -f out.raw
    echo "peak memory, stream.vmdk, through the page cache:" \
        "$(peak "$copy" --quiet --buffered --no-sync stream.vmdk out.raw) MiB"
    rm -f out.raw
    echo "peak memory, NBD to raw:" \
        "$($serve disk.raw --run "$(declare -f peak); peak '$copy' --quiet \$uri out.raw") MiB"
    rm -f out.raw
    truncate -s 4G out.raw
    echo "peak memory, raw to NBD:" \
        "$($serve out.raw --run "$(declare -f peak); peak '$copy' --quiet disk.raw \$uri") MiB"
fi

# Disks that are mostly holes: what their size costs.
if wanted "length"; then
    for gib in 1 10 100 200; do
        rm -f long.raw out.raw
        truncate -s ${gib}G long.raw
        head -c 128M full.raw | dd of=long.raw bs=1M conv=notrunc status=none
        head -c 128M full.raw |
            dd of=long.raw bs=1M seek=$((gib * 1024 - 128)) conv=notrunc status=none
        times=$(for _ in $(seq "$rounds"); do milliseconds "$copy --quiet long.raw out.raw"; done |
            sort -n)
        echo "length: $gib GiB with 256 MiB of data:" \
            "$(echo "$times" | sed -n "$(((rounds + 1) / 2))p") ms," \
            "$(peak "$copy" --quiet long.raw null:) MiB"
    done
fi
echo "load behind: $(cut -d' ' -f1-3 /proc/loadavg)"
