package io.konveyor.forklift.ovirt_test

import rego.v1

test_disk_capacity_fires_1 if "ovirt.disk.capacity.invalid" in ids({"name": "web", "diskAttachments": [{"id": "a", "disk": {"id": "d", "storageType": "image", "provisionedSize": 0}}]})

test_disk_capacity_fires_2 if "ovirt.disk.capacity.invalid" in ids({"name": "web", "diskAttachments": [{"id": "a", "disk": {"id": "d", "storageType": "lun", "lun": {"logicalUnits": {"logicalUnit": [{"size": 0}]}}}}]})

test_disk_capacity_fires_3 if "ovirt.disk.capacity.invalid" in ids({"name": "web", "diskAttachments": [{"id": "a", "disk": {"id": "d", "storageType": "lun", "lunStorage": {"LogicalUnits": [{"size": 0}]}}}]})

test_disk_capacity_is_quiet_1 if not "ovirt.disk.capacity.invalid" in ids({"name": "web", "diskAttachments": [{"id": "a", "disk": {"id": "d", "storageType": "image", "provisionedSize": 1}}]})

test_disk_capacity_is_quiet_2 if not "ovirt.disk.capacity.invalid" in ids({"name": "web", "diskAttachments": [{"id": "a", "disk": {"id": "d", "storageType": "lun", "provisionedSize": 0, "lunStorage": {"LogicalUnits": [{"size": 5}]}}}]})
