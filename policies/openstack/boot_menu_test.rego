package io.konveyor.forklift.openstack_test

import rego.v1

test_boot_menu_fires if "openstack.bios.boot_menu.enabled" in ids({"name": "web", "image": {"properties": {"hw_boot_menu": "true"}}})

test_boot_menu_is_quiet if not "openstack.bios.boot_menu.enabled" in ids({"name": "web", "image": {"properties": {"hw_boot_menu": "false"}}})
