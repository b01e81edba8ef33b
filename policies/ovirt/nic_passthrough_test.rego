package io.konveyor.forklift.ovirt_test

import rego.v1

test_nic_passthrough_fires if "ovirt.nic.pci_passthrough.detected" in ids({"name": "web", "nics": [{"interface": "pci_passthrough"}]})

test_nic_passthrough_is_quiet if not "ovirt.nic.pci_passthrough.detected" in ids({"name": "web", "nics": [{"interface": "virtio"}]})
