package io.konveyor.forklift.ovirt_test

import rego.v1

test_nic_interface_fires if "ovirt.nic.interface_type.unsupported" in ids({"name": "web", "nics": [{"id": "a", "interface": "pci_passthrough"}]})

test_nic_interface_is_quiet if not "ovirt.nic.interface_type.unsupported" in ids({"name": "web", "nics": [{"id": "a", "interface": "virtio"}, {"id": "b", "interface": "e1000"}]})
