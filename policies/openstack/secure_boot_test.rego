package io.konveyor.forklift.openstack_test

import rego.v1

test_secure_boot_fires_1 if "openstack.secure_boot.detected" in ids({"name": "web", "image": {"properties": {"os_secure_boot": "required"}}})

test_secure_boot_fires_2 if "openstack.secure_boot.detected" in ids({"name": "web", "flavor": {"extraSpecs": {"os:secure_boot": "required"}}})

test_secure_boot_is_quiet if not "openstack.secure_boot.detected" in ids({"name": "web", "image": {"properties": {"os_secure_boot": "optional"}}})
