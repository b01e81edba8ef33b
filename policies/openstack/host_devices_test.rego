package io.konveyor.forklift.openstack_test

import rego.v1

test_host_devices_fires if "openstack.host_devices.mapped" in ids({"name": "web", "flavor": {"extraSpecs": {"pci_passthrough:alias": "gpu:1"}}})

test_host_devices_is_quiet if not "openstack.host_devices.mapped" in ids({"name": "web", "flavor": {"extraSpecs": {"other": "1"}}})
