package io.konveyor.forklift.hyperv_test

import rego.v1

test_disk_capacity_fires if "hyperv.disk.capacity.invalid" in ids({"name": "web", "disks": [{"name": "a", "smbPath": "s", "capacity": 0}]})

test_disk_capacity_is_quiet if not "hyperv.disk.capacity.invalid" in ids({"name": "web", "disks": [{"name": "a", "smbPath": "s", "capacity": 1}]})
