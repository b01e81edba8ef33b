package io.konveyor.forklift.openstack_test

import rego.v1

test_shared_disk_fires if "openstack.disk.shared.detected" in ids({"name": "web", "volumes": [{"status": "in-use", "attachments": [{"id": 1}, {"id": 2}]}]})

test_shared_disk_is_quiet if not "openstack.disk.shared.detected" in ids({"name": "web", "volumes": [{"status": "in-use", "attachments": [{"id": 1}]}]})
