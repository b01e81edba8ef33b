package io.konveyor.forklift.ova_test

import rego.v1

test_disk_capacity_fires_1 if "ova.disk.capacity.invalid" in ids({"name": "web", "disks": [{"FilePath": "a", "Capacity": 0}]})

test_disk_capacity_fires_2 if "ova.disk.capacity.invalid" in ids({"name": "web", "disks": [{"path": "a", "capacity": 0}]})

test_disk_capacity_is_quiet if not "ova.disk.capacity.invalid" in ids({"name": "web", "disks": [{"FilePath": "a", "Capacity": 1}]})
