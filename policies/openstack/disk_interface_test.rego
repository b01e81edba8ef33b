package io.konveyor.forklift.openstack_test

import rego.v1

test_disk_interface_fires if "openstack.disk.unsupported_interface" in ids({"name": "web", "image": {"properties": {"hw_disk_bus": "ide"}}})

test_disk_interface_is_quiet_1 if not "openstack.disk.unsupported_interface" in ids({"name": "web", "image": {"properties": {"hw_disk_bus": "virtio"}}})

test_disk_interface_is_quiet_2 if not "openstack.disk.unsupported_interface" in ids({"name": "web", "image": {"properties": {}}})
