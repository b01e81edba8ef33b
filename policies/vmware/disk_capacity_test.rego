package io.konveyor.forklift.vmware_test

import rego.v1

test_disk_capacity_fires_1 if "vmware.disk.capacity.invalid" in ids({"name": "web", "disks": [{"file": "a", "capacity": 0}]})

test_disk_capacity_fires_2 if "vmware.disk.capacity.invalid" in ids({"name": "web", "disks": [{"file": "a", "capacity": -1}]})

test_disk_capacity_is_quiet if not "vmware.disk.capacity.invalid" in ids({"name": "web", "disks": [{"file": "a", "capacity": 1}]})
