#!/bin/bash
# gantry-copy beside qemu-img and nbdcopy: the same files, in turn, each from a clean disk.  Prints the
# median ratio of wall times (ours to the peer's) of ROUNDS pairs, both medians, and our peak memory.
#
# FIXTURE is a raw disk to use; without it an ext4 image with DATA_MB of this machine's /usr is made.
set -eu
copy=$BUILD/src/main/gantry-copy
rounds=${ROUNDS:-5}
data_mb=${DATA_MB:-1550}
work=$(mktemp -d "${BENCH_DIR:-${TMPDIR:-/var/tmp}}/gantry-bench.XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work"
for program in qemu-img nbdcopy nbdkit; do
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

if [ -n "${FIXTURE:-}" ]; then cp --sparse=always "$FIXTURE" disk.raw; else make_disk; fi
qemu-img convert -O vmdk -o subformat=streamOptimized disk.raw stream.vmdk
qemu-img convert -W -m 8 -O vmdk -o subformat=monolithicSparse disk.raw sparse.vmdk

# milliseconds COMMAND: its wall time, from a clean disk
milliseconds() {
    rm -f out.raw
    sync
    sleep 0.3 # let the disk discard what was deleted
    local start end
    start=$(date +%s%N)
    eval "$1" >/dev/null || return 1
    end=$(date +%s%N)
    echo $(((end - start) / 1000000))
}

# pair TITLE PEER-COMMAND OUR-COMMAND
pair() {
    local peer ours
    : >pairs
    for _ in $(seq "$rounds"); do
        peer=$(milliseconds "$2")
        ours=$(milliseconds "$3")
        echo "$ours $peer" >>pairs
    done
    awk '{printf "%.3f %d %d\n", $1 / $2, $1, $2}' pairs | sort -n |
        awk -v title="$1" '{r[NR] = $1; a[NR] = $2; b[NR] = $3}
            END {m = int((NR + 1) / 2)
                 printf "%-44s ratio %.3f (%.3f to %.3f)  %d ms, peer %d ms\n",
                     title, r[m], r[1], r[NR], a[m], b[m]}'
}

nbd_copy='truncate -s 4G out.raw; nbdcopy --destination-is-zero'
pair "streamOptimized, durable, qemu-img -t none" \
    "qemu-img convert -W -m 8 -t none -O raw stream.vmdk out.raw" "$copy --quiet stream.vmdk out.raw"
pair "streamOptimized, not durable, qemu-img" \
    "qemu-img convert -W -m 8 -O raw stream.vmdk out.raw" \
    "$copy --quiet --no-sync stream.vmdk out.raw"
pair "monolithicSparse, durable, qemu-img -t none" \
    "qemu-img convert -W -m 8 -t none -O raw sparse.vmdk out.raw" "$copy --quiet sparse.vmdk out.raw"
pair "raw sparse, durable, qemu-img -t none" \
    "qemu-img convert -W -m 8 -t none -O raw disk.raw out.raw" "$copy --quiet disk.raw out.raw"
pair "raw sparse, durable, nbdcopy --flush" "$nbd_copy --flush disk.raw out.raw" \
    "$copy --quiet disk.raw out.raw"
pair "NBD to raw, durable, nbdcopy --flush" \
    "truncate -s 4G out.raw; nbdkit -U - file disk.raw --run 'nbdcopy --destination-is-zero --flush \$uri out.raw'" \
    "nbdkit -U - file disk.raw --run '$copy --quiet \$uri out.raw'"
pair "5 ms a request, NBD, one request at a time" \
    "nbdkit -U - --filter=delay --filter=truncate file disk.raw delay-read=5ms truncate=256M --run '$copy --quiet --requests 1 --connections 1 \$uri null:'" \
    "nbdkit -U - --filter=delay --filter=truncate file disk.raw delay-read=5ms truncate=256M --run '$copy --quiet \$uri null:'"

peak=$(python3 -c 'import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024)' \
    "$copy" --quiet stream.vmdk out.raw)
echo "gantry-copy, streamOptimized, peak memory:   $peak MiB"
