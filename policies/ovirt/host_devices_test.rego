package io.konveyor.forklift.ovirt_test

import rego.v1

test_host_devices_fires if "ovirt.host_devices.mapped" in ids({"name": "web", "hostDevices": [{"capability": "pci"}]})

test_host_devices_is_quiet if not "ovirt.host_devices.mapped" in ids({"name": "web", "hostDevices": []})
