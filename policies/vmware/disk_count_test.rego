package io.konveyor.forklift.vmware_test

import rego.v1

test_disk_count_fires if "vmware.disk.count.exceeds.limit" in ids({"name": "web", "disks": [{"size": 1, "capacity": 1, "Capacity": 1, "smbPath": "s", "id": "d"} | some _ in numbers.range(1, 166)]})

test_disk_count_is_quiet if not "vmware.disk.count.exceeds.limit" in ids({"name": "web", "disks": [{"size": 1, "capacity": 1, "Capacity": 1, "smbPath": "s", "id": "d"} | some _ in numbers.range(1, 165)]})
