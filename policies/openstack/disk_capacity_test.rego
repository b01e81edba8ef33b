package io.konveyor.forklift.openstack_test

import rego.v1

test_disk_capacity_fires if "openstack.disk.capacity.invalid" in ids({"name": "web", "volumes": [{"name": "a", "status": "in-use", "size": 0}]})

test_disk_capacity_is_quiet if not "openstack.disk.capacity.invalid" in ids({"name": "web", "volumes": [{"name": "a", "status": "in-use", "size": 1}]})
