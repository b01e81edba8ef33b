#!/bin/sh
# Host objects: disks of an ESXi host's machines are read from the host itself; and what a target
# machine has of its source.
. "$(dirname "$0")/functions.sh"
. "$(dirname "$0")/e2e/home.sh"
. "$(dirname "$0")/e2e/vcenter.sh"
home_requires
requires openssl "the fake vCenter needs a certificate"
requires curl "tests steer the fake vCenter with it"
home_up
vcenter_up --task-ms 50 --shutdown-ms 200 \
    --machine "name=Web_1,disk=8Mi,bus=sata,disk=4Mi,memory=128,cpus=4,cores=2,firmware=efi,secure-boot=on,nested=on,nic=VirtualVmxnet3,nic=VirtualE1000"
vc "write?vm=Web_1&disk=0&percent=50" >/dev/null
vsphere_provider vc >/dev/null
vsphere_maps vc >/dev/null
wait_until 60 has_condition provider vc Ready

# host NAME MOREF ADDRESS
host() {
    kubectl apply -f - <<EOM
apiVersion: forklift.konveyor.io/v1beta1
kind: Host
metadata:
  name: $1
  namespace: $NS
spec:
  provider:
    namespace: $NS
    name: vc
  id: $2
  ipAddress: $3
EOM
}

names_what_is_wrong_with_a_host() {
    host nobody host-99 127.0.0.1
    wait_until 20 has_condition host nobody RefNotValid
    host deaf host-2 127.0.0.1:1
    wait_until 20 has_condition host deaf ConnectionTestFailed
    contains "$(conditions host deaf)" "127.0.0.1:1"
}

reads_disks_from_the_host() {
    # The fake answers as a host for what is asked of ha-datacenter.
    host esx host-1 "${vc_base#https://}"
    wait_until 20 has_condition host esx Ready
    kubectl patch networkmap vc -n $NS --type json \
        -p '[{"op":"add","path":"/spec/map/-","value":{"destination":{"type":"ignored"},"source":{"id":"dvportgroup-1"}}}]'
    kubectl patch networkmap vc -n $NS --type json \
        -p '[{"op":"replace","path":"/spec/map/0/destination","value":{"type":"pod"}}]'
    new_plan hosted vc '[{name: Web_1}]' "type: cold"
    wait_until 30 has_condition plan hosted VMMultiplePodNetworkMappings
    kubectl patch networkmap vc -n $NS --type json \
        -p '[{"op":"replace","path":"/spec/map/0/destination","value":{"type":"ignored"}}]'
    wait_until 30 has_condition plan hosted Ready
    migrate hosted
    ends hosted Succeeded 90
    contains "$(vm_status hosted '.pipeline[*].tasks[*].annotations.access')" "by way of host https://127.0.0.1"
}

builds_what_the_source_had() {
    vm=$(kubectl get vm -n to-hosted -o json)
    echo "$vm" | python3 -c '
import json, sys
vm = json.load(sys.stdin)["items"][0]
domain = vm["spec"]["template"]["spec"]["domain"]
assert vm["metadata"]["name"] == "web-1", vm["metadata"]
assert domain["cpu"]["sockets"] == 2 and domain["cpu"]["cores"] == 2, domain["cpu"]
assert {f["policy"] for f in domain["cpu"]["features"]} == {"optional"}
assert domain["memory"]["guest"] == "128Mi", domain["memory"]
assert domain["firmware"]["bootloader"]["efi"]["secureBoot"] is True
assert domain["features"]["smm"]["enabled"] is True
assert domain["clock"]["timezone"] == "UTC", domain
assert domain["devices"]["tpm"]["enabled"] is False
disks = domain["devices"]["disks"]
assert [d["disk"]["bus"] for d in disks] == ["sata", "sata"], disks
assert disks[0]["serial"].startswith("6000C29"), disks
assert disks[0]["bootOrder"] == 1'
}

plan 3
it "names what is wrong with a host" names_what_is_wrong_with_a_host
it "reads disks from the host of a machine" reads_disks_from_the_host
it "builds what the source had" builds_what_the_source_had
finish
