package io.konveyor.forklift.ovirt_test

import rego.v1

test_shared_disk_fires if "ovirt.disk.shared.detected" in ids({"name": "web", "diskAttachments": [{"id": "a", "disk": {"shared": true}}]})

test_shared_disk_is_quiet if not "ovirt.disk.shared.detected" in ids({"name": "web", "diskAttachments": [{"id": "a", "disk": {"shared": false}}]})
