#!/bin/sh
# An importer that is killed in the middle of a disk: the next one goes on where the block map ends,
# and the machine's status tells what was copied.
. "$(dirname "$0")/functions.sh"
. "$(dirname "$0")/e2e/home.sh"
home_requires
home_up

MIB=${MIB:-192}
BLOCK=1048576

mkdir -p "$work/source"
head -c $((MIB * BLOCK)) /dev/urandom >"$work/source/big.raw"
dd if=/dev/zero of="$work/source/big.raw" bs=1M count=16 seek=8 conv=notrunc status=none
cat >"$work/source/big.ovf" <<EOF
<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1">
<References><File id="f1" href="big.raw"/></References>
<DiskSection><Disk diskId="d1" capacity="$MIB" capacityAllocationUnits="byte * 2^20" fileRef="f1"/></DiskSection>
<NetworkSection><Network name="VM Network"/></NetworkSection>
<VirtualSystem id="big"><Name>big</Name><VirtualHardwareSection>
<Item><InstanceID>1</InstanceID><ResourceType>3</ResourceType><VirtualQuantity>1</VirtualQuantity></Item>
<Item><AllocationUnits>byte * 2^20</AllocationUnits><InstanceID>2</InstanceID><ResourceType>4</ResourceType><VirtualQuantity>64</VirtualQuantity></Item>
<Item><HostResource>ovf:/disk/d1</HostResource><InstanceID>3</InstanceID><ResourceType>17</ResourceType></Item>
</VirtualHardwareSection></VirtualSystem></Envelope>
EOF
touch -d '-2 min' "$work/source"/*
provider source "$work/source" >/dev/null
maps source >/dev/null

# known: how many blocks the map of the copy knows
known() {
    known_map=$(find "$work/home/node/volumes" -name disk.map | head -1)
    [ -n "$known_map" ] || { echo 0; return; }
    "$bin/gantry-copy" --show-map "$known_map" 2>/dev/null | grep -c -v '^#' || true
}

# Lets the importer run for moments only, until its map knows a sixth of the disk, and kills it.
kill_in_the_middle() {
    wait_until 60 process_runs "^/[^ ]*gantry-copy --progress=json"
    importer=$(processes "^/[^ ]*gantry-copy --progress=json" | tail -1)
    kill -STOP "$importer"
    until [ "$(known)" -ge $((MIB / 6)) ]; do
        kill -CONT "$importer" || fail "the copy ended before it was killed"
        sleep 0.02 # the moments are the point
        kill -STOP "$importer"
        [ "$(date +%s)" -lt "$stop" ] || fail "no progress"
    done
    before=$(known)
    kill -9 "$importer"
    echo "killed when $before of $MIB blocks were durable"
    [ "$before" -lt "$MIB" ]
}

# told KEY: of the disk's task in the machine's status
told() {
    kubectl get plan big -n $NS -o json | python3 -c '
import json, sys
vm = json.load(sys.stdin)["status"]["migration"]["vms"][0]
step = [s for s in vm["pipeline"] if s["name"] == "DiskTransfer"][0]
print(step["tasks"][0]["annotations"].get(sys.argv[1], "nothing"))' "$1"
}

copies_only_the_rest() {
    wait_until 30 has_condition provider source Ready
    new_plan big source '[{name: big}]'
    wait_until 30 has_condition plan big Ready
    stop=$(($(date +%s) + 120))
    migrate big
    kill_in_the_middle
    ends big Succeeded 120
    same "$(told restarts)" 1
    same "$(told repaired)" 0
    echo "kept $(told kept) and wrote $(told written) of $(told bytes) bytes"
    [ "$(told kept)" -ge $((before * BLOCK)) ] || fail "less was kept than the map knew"
    [ "$(told written)" -le $(((MIB - before) * BLOCK)) ] || fail "more than the rest was copied"
    same "$(sum "$(disk_of to-big big 0)")" "$(sum "$work/source/big.raw")"
}

tells_what_was_copied() {
    same "$(told bytes)" $((MIB * BLOCK))
    same "$(told format)" raw
    # the same as the map beside the volume says of the disk
    map=$(find "$work/home/node/volumes" -name disk.map)
    contains "$("$bin/gantry-copy" --show-map "$map" | head -2)" "complete map $(told map)"
    "$bin/gantry-copy" --quiet --verify-only --map "$map" "$(disk_of to-big big 0)"
    [ "$(($(told written) + $(told kept) + $(told holes)))" -eq $((MIB * BLOCK)) ]
}

plan 2
it "copies only the rest after a kill" copies_only_the_rest
it "tells in the machine's status what was copied" tells_what_was_copied
finish
