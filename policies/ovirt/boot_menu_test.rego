package io.konveyor.forklift.ovirt_test

import rego.v1

test_boot_menu_fires if "ovirt.bios.boot_menu.enabled" in ids({"name": "web", "bootMenuEnabled": true})

test_boot_menu_is_quiet if not "ovirt.bios.boot_menu.enabled" in ids({"name": "web", "bootMenuEnabled": false})
