package io.konveyor.forklift.vmware_test

import rego.v1

test_passthrough_fires if "vmware.passthrough_device.detected" in ids({"name": "web", "devices": [{"kind": "VirtualPCIPassthrough"}]})

test_passthrough_is_quiet if not "vmware.passthrough_device.detected" in ids({"name": "web", "devices": [{"kind": "VirtualE1000"}]})
