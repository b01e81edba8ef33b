package io.konveyor.forklift.ovirt_test

import rego.v1

test_disk_storage_type_fires if "ovirt.disk.storage_type.unsupported" in ids({"name": "web", "diskAttachments": [{"id": "a", "disk": {"storageType": "cinder"}}]})

test_disk_storage_type_is_quiet if not "ovirt.disk.storage_type.unsupported" in ids({"name": "web", "diskAttachments": [{"id": "a", "disk": {"storageType": "image"}}, {"id": "b", "disk": {"storageType": "lun"}}]})
