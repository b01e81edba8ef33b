#!/bin/sh
# gantry-copy killed with SIGKILL at random moments and told to go on: every byte is right at the end,
# and under 5 % of the work is done twice.  GANTRY_KILL_ROUNDS is the number of rounds.
. "$(dirname "$0")/functions.sh"
requires qemu-img "a source is made with it"
requires jq "results are read with it"
copy=$bin/gantry-copy
rounds=${GANTRY_KILL_ROUNDS:-15}
data_mb=48

head -c ${data_mb}M /dev/urandom >"$work/raw"
truncate -s 64M "$work/raw"
qemu-img convert -f raw -O vmdk -o subformat=streamOptimized "$work/raw" "$work/vmdk"

# One round: a copy that would take about half a second is killed within that time, then it goes on to
# its end.  Adds what both wrote and how much of it was written twice to the file "work".
round() {
    in=$1
    rm -f out map
    "$copy" --quiet --bandwidth 100Mi --request-size 128Ki --map map "$in" out 2>kill.err &
    pid=$!
    sleep "0.$(printf %03d "$(shuf -i 1-700 -n 1)")"
    kill -KILL $pid 2>/dev/null || true
    wait $pid 2>/dev/null || true
    first=0
    [ ! -f out ] || first=$(($(stat -c %b out) * 512))
    [ -f map ] || echo "before the map" >>moments
    "$copy" --progress=json --request-size 128Ki --map map --resume "$in" out >json
    result=$(tail -n 1 json)
    again=$(echo "$result" | jq .written)
    kept=$(echo "$result" | jq .kept)
    [ "$(echo "$result" | jq .repaired)" = 0 ] || fail "a block that the map has was not there"
    cmp raw out
    if [ "$kept" = 0 ]; then echo "before the first block" >>moments
    elif [ "$again" = 0 ]; then echo "behind the last block" >>moments
    else echo between >>moments; fi
    echo "$((first + again)) $((first + again - data_mb * 1048576))" >>work
}

goes_on_after_kills() {
    cd "$work"
    rm -f work moments
    i=0
    while [ $i -lt "$rounds" ]; do
        if [ $((i % 2)) = 0 ]; then round raw; else round vmdk; fi
        i=$((i + 1))
    done
    "$copy" --quiet --verify-only --map map out
    [ "$(grep -c between moments)" -gt 0 ] || fail "no kill came in time"
}

repeats_little() {
    cd "$work"
    awk '{sum += $1; twice += $2}
        END {printf "%d rounds, %.2f %% written twice\n", NR, 100 * twice / sum; exit twice > sum * 0.05}' \
        work >summary || fail "$(cat summary)"
    cat summary >&3
    sort moments | uniq -c >&3
}

plan 2
exec 3>"$work/figures"
it "goes on after $rounds kills at random moments, byte for byte" goes_on_after_kills
it "does little of the work twice" repeats_little
sed 's/^/# /' "$work/figures"
finish
