#!/bin/bash
# gantry at home: how soon it is ready, how much memory it takes with all of its kinds, and how long a
# move takes.  Medians of five.  No peer starts in this role on one machine; the figures stand alone.
set -eu
gantry=$BUILD/src/main/gantry
here=$(cd "$(dirname "$0")" && pwd)
tests=$here/../tests
work=$(mktemp -d)
trap '"$gantry" down --all --dir "$work/home" >/dev/null 2>&1 || true; rm -rf "$work"' EXIT

median() {
    sort -n | awk '{v[NR] = $1} END {print v[int((NR + 1) / 2)]}'
}

for _ in 1 2 3 4 5; do
    rm -rf "$work/home"
    "$gantry" up --dir "$work/home" | sed -n 's/.* after \([0-9]*\) ms/\1/p' >>"$work/up"
    pid=$(cat "$work/home/gantryd.pid" 2>/dev/null || pgrep -f "gantryd --dir $work/home ")
    awk '/VmRSS/ {print int($2 / 1024)}' "/proc/$pid/status" >>"$work/rss"
    "$gantry" down --all --dir "$work/home" >/dev/null
done
echo "empty home, gantry up until ready: $(median <"$work/up") ms"
echo "gantryd, all kinds loaded:         $(median <"$work/rss") MiB resident"

"$gantry" up --dir "$work/home" >/dev/null
export KUBECONFIG=$work/home/kubeconfig
mkdir "$work/ovas"
for i in 1 2 3 4 5; do
    "$tests/make-guest" --name "m$i" "$work/m.raw"
    "$tests/make-ova" --name "m$i" --disk "$work/m.raw" --memory 64 --network "VM Network" \
        "$work/ovas/m$i.ova"
    "$here/first_byte.py" "$work/home" >>"$work/first" &
    watcher=$!
    sleep 0.5 # its watch begins
    before=$(date +%s%N)
    "$gantry" migrate "$work/ovas/m$i.ova" --raw --off --dir "$work/home" >/dev/null
    echo $((($(date +%s%N) - before) / 1000000)) >>"$work/move"
    wait "$watcher"
done
echo "OVA file to machine, 64 MiB disk:  $(median <"$work/move") ms"
echo "Migration created to first byte:   $(median <"$work/first") ms"
