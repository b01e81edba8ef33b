#!/bin/bash
# The language engines: evaluations of the vSphere rules on the workload that Forklift's documentation
# shows (a smaller one of our own where that is not beside the project), on one core and on two, with
# and without the index, with JSON in and out; load and compile of all policies with their tests;
# memory; templates; queries.
set -eu
bench=$BUILD/src/lang/bench-lang
root=$(cd "$(dirname "$0")/.." && pwd)
shared=${GANTRY_SHARED:-$root/../shared}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
[ -x "$bench" ] || ninja -C "$BUILD" src/lang/bench-lang >/dev/null

sample=$(grep -hs '^{ "input": { "selfLink": "providers/vsphere/' "$shared"/seeds/*.txt | head -n 1 || true)
if [ -n "$sample" ] && command -v python3 >/dev/null; then
    # one value in it is a word in angle brackets; behind the JSON the text goes on
    printf '%s' "$sample" | python3 -c '
import json, re, sys
text = re.sub(r"<[a-z_ ]+>", "\"x\"", sys.stdin.read())
print(json.dumps(json.JSONDecoder().raw_decode(text)[0]["input"]))' >"$work/input.json"
    echo "input: the documentation's workload, $(wc -c <"$work/input.json") bytes"
else
    cat >"$work/input.json" <<'END'
{"name": "web", "powerState": "poweredOn", "isTemplate": false, "changeTrackingEnabled": false,
 "cpuAffinity": [0, 2], "cpuHotAddEnabled": true, "memoryHotAddEnabled": false, "cpuCount": 2,
 "faultToleranceEnabled": false, "memoryMB": 2048, "guestName": "Red Hat Enterprise Linux 9 (64-bit)",
 "balloonedMemory": 0, "numaNodeAffinity": ["0"], "devices": [{"kind": "RealUSBController"}],
 "snapshot": {"kind": "VirtualMachineSnapshot", "id": "s-1"}, "disks": [{"key": 2000, "shared": false,
 "rdm": false, "capacity": 17179869184, "file": "[ds] web/web.vmdk"}], "networks": [{"id": "n-1"}],
 "host": {"id": "h-1", "inMaintenance": false, "cluster": {"drsEnabled": true, "dasEnabled": false}}}
END
    echo "input: our own, $(wc -c <"$work/input.json") bytes"
fi
"$bench" policies "$work/input.json" "$root"/policies/*/*.rego
"$bench" memory "$work/input.json" "$root"/policies/vmware/*.rego
"$bench" templates
"$bench" queries
