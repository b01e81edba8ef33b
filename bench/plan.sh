#!/bin/sh
# A plan of many machines: how long gantryd needs to check it and to move them all, and what it costs.
# The machines have one empty disk each, so that nothing but the controllers is measured.
#
#   MACHINES=1000 bench/plan.sh
. "$(dirname "$0")/../tests/functions.sh"
. "$(dirname "$0")/../tests/e2e/home.sh"
home_requires
home_up

MACHINES=${MACHINES:-1000}

mkdir -p "$work/source"
python3 - "$MACHINES" >"$work/source/many.ovf" <<'PY'
import sys
count = int(sys.argv[1])
print('<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1"><References/><DiskSection>')
for i in range(count):
    print(f'<Disk diskId="d{i}" capacity="1" capacityAllocationUnits="byte * 2^20"/>')
print('</DiskSection><VirtualSystemCollection id="many">')
for i in range(count):
    print(f'<VirtualSystem id="m{i}"><Name>m{i}</Name><VirtualHardwareSection>'
          '<Item><InstanceID>1</InstanceID><ResourceType>3</ResourceType><VirtualQuantity>1</VirtualQuantity></Item>'
          '<Item><AllocationUnits>byte * 2^20</AllocationUnits><InstanceID>2</InstanceID><ResourceType>4</ResourceType>'
          '<VirtualQuantity>64</VirtualQuantity></Item>'
          f'<Item><HostResource>ovf:/disk/d{i}</HostResource><InstanceID>3</InstanceID><ResourceType>17</ResourceType></Item>'
          '</VirtualHardwareSection></VirtualSystem>')
print('</VirtualSystemCollection></Envelope>')
PY
touch -d '-2 min' "$work/source/many.ovf"
vms=$(python3 -c "print(', '.join('{name: m%d}' % i for i in range($MACHINES)))")
daemon=$("$bin/gantry" status --dir "$work/home" | awk '$1 == "process" {print $2}')

cpu_seconds() {
    awk '{printf "%.1f", ($14 + $15) / 100}' "/proc/$daemon/stat"
}

report() {
    echo "$1: $(($(date +%s) - start)) s, $(cpu_seconds) s of processor, $(awk '/VmRSS/ {print int($2 / 1024)}' "/proc/$daemon/status") MiB resident"
}

start=$(date +%s)
provider source "$work/source" >/dev/null
maps source >/dev/null
wait_until 60 has_condition provider source Ready
report "inventory of $MACHINES machines read"
new_plan many source "[$vms]" >/dev/null
wait_until 300 has_condition plan many Ready || { conditions plan many; exit 1; }
report "plan checked"
migrate many >/dev/null
wait_until "${TIMEOUT:-3600}" is_over many || report "not over yet"
report "machines moved ($(kubectl get vm -n to-many -o name | wc -l))"
kubectl get --raw /metrics | grep -E '^(apiserver_request_total|gantry_store)' | sort -t' ' -k2 -rn | head -8
