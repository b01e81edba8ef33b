#!/bin/sh
# Reading through VMware's library, played by tests/fakes/vixdisklib with a latency of its own: a loop
# that does one read after the other, of 256 KiB (what nbdcopy asks for) and of 1 MiB, against
# gantry-copy; read only, and written to a file.
#
# A disk of VDDK_MB (512) MiB full of data; each figure is the median of ROUNDS (3) runs, milliseconds.
set -eu
build=$BUILD mib=${VDDK_MB:-512} runs=${ROUNDS:-3}
[ -x "$build/tests/bench-vddk-loop" ] || { echo "vddk: no loop: ninja -C BUILD tests/bench-vddk-loop"; exit 0; }
work=$(mktemp -d "${TMPDIR:-/tmp}/gantry-vddk-bench.XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/vddk/lib64" "$work/vddk/content/web"
ln -s "$(realpath "$build")/tests/libvixDiskLib.so.8" "$work/vddk/lib64/"
head -c "$((mib * 1048576))" /dev/urandom >"$work/vddk/content/web/web-flat.vmdk"

now() {
    date +%s%3N
}

# median COMMAND...: of $runs runs
median() {
    for _ in $(seq "$runs"); do
        rm -f "$work/target"
        start=$(now)
        "$@"
        echo $(($(now) - start))
    done | sort -n | sed -n "$(((runs + 1) / 2))p"
}

# loop FILE REQUEST_BYTES
loop() {
    "$build/tests/bench-vddk-loop" "$work/vddk" "[ds] web/web.vmdk" "$1" "$2"
}

# ours DESTINATION
ours() {
    "$build/src/main/gantry-copy" --quiet --vddk-dir "$work/vddk" \
        "vddk://localhost/vm-1?disk=%5Bds%5D%20web/web.vmdk" "$1"
}

row() {
    printf '%-10s %-8s %12s %12s %10s %8s %8s\n' "$@"
}

ratio() {
    python3 -c "print('%.1f' % ($1 / $2))"
}

row latency to "loop 256Ki" "loop 1Mi" gantry x256Ki x1Mi
for latency in 0 2 20; do
    echo "latency-ms=$latency" >"$work/vddk/dummy.conf"
    for to in null file; do
        file=$work/target destination=$work/target
        [ $to = file ] || file=/dev/null destination=null:
        small=$(median loop "$file" 262144)
        large=$(median loop "$file" 1048576)
        many=$(median ours "$destination")
        row "$latency ms" $to "$small" "$large" "$many" "$(ratio "$small" "$many")" \
            "$(ratio "$large" "$many")"
    done
    cmp -s "$work/target" "$work/vddk/content/web/web-flat.vmdk" || {
        echo "the copy differs"
        exit 1
    }
done
