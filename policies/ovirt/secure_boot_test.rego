package io.konveyor.forklift.ovirt_test

import rego.v1

test_secure_boot_fires if "ovirt.secure_boot.detected" in ids({"name": "web", "bios": "q35_secure_boot"})

test_secure_boot_is_quiet if not "ovirt.secure_boot.detected" in ids({"name": "web", "bios": "q35_ovmf"})
