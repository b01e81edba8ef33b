#!/bin/sh
# What a machine costs in a plan, and whether that grows with the plan: the controllers and the API
# server alone.  Copies take no time: a fake node says that each pod has succeeded (bench/fake_node.c).
#
#   bench/plan-scale.sh                            100, 1,000 and 5,000 machines of 3 disks in one plan
#   PLANS=20 SIZES=50 bench/plan-scale.sh          twenty plans of 50 machines at once
#   DISKS=1 SIZES="10 20" bench/plan-scale.sh
. "$(dirname "$0")/../tests/functions.sh"
. "$(dirname "$0")/../tests/e2e/home.sh"
requires kubectl "the plans are made with it"
requires python3 "the machines are made with it"

SIZES=${SIZES:-100 1000 5000}
PLANS=${PLANS:-1}
DISKS=${DISKS:-3}
TIMEOUT=${TIMEOUT:-400}

# descriptors FOLDER COUNT DISKS: COUNT machines of DISKS empty disks each, in files of 100
descriptors() {
    python3 - "$1" "$2" "$3" <<'PY'
import os, sys, time
folder, count, disks = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
old = time.time() - 120

def descriptor(machines):
    lines = ['<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1"><References/><DiskSection>']
    for i in machines:
        for d in range(disks):
            lines.append(f'<Disk diskId="d{i}-{d}" capacity="1" capacityAllocationUnits="byte * 2^20"/>')
    lines.append('</DiskSection><VirtualSystemCollection id="many">')
    for i in machines:
        lines.append(f'<VirtualSystem id="m{i}"><Name>m{i}</Name><VirtualHardwareSection>'
                     '<Item><InstanceID>1</InstanceID><ResourceType>3</ResourceType><VirtualQuantity>1</VirtualQuantity></Item>'
                     '<Item><AllocationUnits>byte * 2^20</AllocationUnits><InstanceID>2</InstanceID><ResourceType>4</ResourceType>'
                     '<VirtualQuantity>64</VirtualQuantity></Item>')
        for d in range(disks):
            lines.append(f'<Item><HostResource>ovf:/disk/d{i}-{d}</HostResource><InstanceID>{3 + d}</InstanceID>'
                         '<ResourceType>17</ResourceType></Item>')
        lines.append('</VirtualHardwareSection></VirtualSystem>')
    lines.append('</VirtualSystemCollection></Envelope>')
    return ''.join(lines)

for first in range(0, count, 100):
    path = os.path.join(folder, f'many-{first}.ovf')
    with open(path, 'w') as file:
        file.write(descriptor(range(first, min(first + 100, count))))
    os.utime(path, (old, old))
PY
}

start_gantryd() {
    mkfifo "$work/ready"
    "$bin/gantryd" --dir "$work/home" --no-node --no-validation --ready-fd 3 3>"$work/ready" 2>"$work/log" &
    daemon=$!
    read -r line <"$work/ready"
    rm "$work/ready"
    case $line in ready*) ;; *) echo "gantryd: $line" >&2; exit 1 ;; esac
    export KUBECONFIG="$work/home/kubeconfig"
    # Something keeps its standard input open until it is to end.
    mkfifo "$work/end"
    "$BUILD/tests/bench-fake-node" "$KUBECONFIG" <"$work/end" 2>"$work/node.log" &
    exec 8>"$work/end"
    rm "$work/end"
}

stop_gantryd() {
    exec 8>&-
    kill "$daemon"
    wait "$daemon" 2>/dev/null
    rm -rf "$work/home" "$work/source"
}

cpu_ms() {
    awk '{print ($14 + $15) * 10}' "/proc/$daemon/stat"
}

memory_kib() {
    awk -v what="$1" '$1 == what ":" {print $2}' "/proc/$daemon/status"
}

# Asked of the log: whoever reads a Migration while it goes on has the server read all of its machines.
all_over() {
    [ "$(grep -c 'migration ended:' "$work/log")" -ge "$PLANS" ]
}

# measure SIZE: PLANS plans of SIZE machines each
measure() {
    size=$1
    count=$((size * PLANS))
    start_gantryd
    mkdir "$work/source"
    descriptors "$work/source" "$count" "$DISKS"
    kubectl apply -f - >/dev/null <<YAML
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: standard}
provisioner: bench
YAML
    provider source "$work/source" >/dev/null
    maps source >/dev/null
    wait_until 100 has_condition provider source Ready
    inventory_kib=$(memory_kib VmRSS)
    for n in $(seq "$PLANS"); do
        vms=$(python3 -c "print(', '.join('{name: m%d}' % i for i in range(($n - 1) * $size, $n * $size)))")
        new_plan "many-$n" source "[$vms]" >/dev/null
    done
    for n in $(seq "$PLANS"); do
        wait_until 100 has_condition plan "many-$n" Ready || { conditions plan "many-$n" | cut -c1-1000; exit 1; }
    done
    before_ms=$(cpu_ms)
    started=$(date +%s%N)
    for n in $(seq "$PLANS"); do
        migrate "many-$n" >/dev/null
    done
    wait_until "$TIMEOUT" all_over || echo "not over yet"
    took_ms=$((($(date +%s%N) - started) / 1000000))
    used_ms=$(($(cpu_ms) - before_ms))
    moved=$(kubectl get vm -A -o name | wc -l)
    echo "plans=$PLANS machines=$count moved=$moved disks=$DISKS wall=${took_ms}ms cpu=${used_ms}ms" \
        "cpu_per_machine=$(awk "BEGIN {printf \"%.2f\", $used_ms / $moved}")ms" \
        "rss_inventory=$((inventory_kib / 1024))MiB rss_peak=$(($(memory_kib VmHWM) / 1024))MiB" \
        "peak_per_machine=$((($(memory_kib VmHWM) - inventory_kib) / count))KiB"
    stop_gantryd
}

for size in $SIZES; do
    measure "$size"
done
