package io.konveyor.forklift.openstack_test

import rego.v1

test_disk_status_fires if "openstack.disk.status.unsupported" in ids({"name": "web", "volumes": [{"status": "error"}]})

test_disk_status_is_quiet if not "openstack.disk.status.unsupported" in ids({"name": "web", "volumes": [{"status": "available"}, {"status": "in-use"}]})
