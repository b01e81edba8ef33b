package io.konveyor.forklift.ovirt_test

import rego.v1

test_disk_status_fires_1 if "ovirt.disk.illegal_or_locked_status" in ids({"name": "web", "diskAttachments": [{"id": "a", "disk": {"status": "locked"}}]})

test_disk_status_fires_2 if "ovirt.disk.illegal_or_locked_status" in ids({"name": "web", "diskAttachments": [{"id": "a", "disk": {"status": "illegal"}}]})

test_disk_status_is_quiet if not "ovirt.disk.illegal_or_locked_status" in ids({"name": "web", "diskAttachments": [{"id": "a", "disk": {"status": "ok"}}]})
