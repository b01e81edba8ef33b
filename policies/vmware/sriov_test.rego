package io.konveyor.forklift.vmware_test

import rego.v1

test_sriov_fires if "vmware.device.sriov.detected" in ids({"name": "web", "devices": [{"kind": "VirtualSriovEthernetCard"}]})

test_sriov_is_quiet if not "vmware.device.sriov.detected" in ids({"name": "web", "devices": [{"kind": "VirtualVmxnet3"}]})
