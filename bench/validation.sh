#!/bin/bash
# bench/validation.sh: judging an inventory from cold by a gantry at home: how long it takes and how
# much memory it adds.  MACHINES (10000) are those of a fake vCenter; they are read first, with
# validation switched off by its knob, so that only judging is measured.
set -eu
BUILD=${1:-$BUILD}
machines=${MACHINES:-10000}
work=$(mktemp -d "${TMPDIR:-/tmp}/gantry-bench.XXXXXX")
. "$(dirname "$0")/fake_vcenter.sh"
trap clean_up EXIT

start_vcenter "$machines"
start_home
set_validation false
sleep 6 # the knob is looked at every five seconds
add_provider
wait_for_inventory
sleep 2
before=$(memory_kib)
set_validation true
for _ in $(seq 600); do
    line=$(grep -F 'machines validated: provider=konveyor-forklift/vc' "$work/home/gantryd.log" ||
        true)
    [ -z "$line" ] || break
    sleep 0.1
done
after=$(memory_kib)
echo "${line##*gantry/validation: }"
echo "rss before kB=$before after kB=$after grown kB=$((after - before))"
