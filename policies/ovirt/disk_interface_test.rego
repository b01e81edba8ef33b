package io.konveyor.forklift.ovirt_test

import rego.v1

test_disk_interface_fires if "ovirt.disk.interface_type.unsupported" in ids({"name": "web", "diskAttachments": [{"id": "a", "interface": "ide"}]})

test_disk_interface_is_quiet if not "ovirt.disk.interface_type.unsupported" in ids({"name": "web", "diskAttachments": [{"id": "a", "interface": "virtio"}, {"id": "b", "interface": "sata"}, {"id": "c", "interface": "virtio_scsi"}]})
