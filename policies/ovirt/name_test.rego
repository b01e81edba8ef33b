package io.konveyor.forklift.ovirt_test

import rego.v1

test_name_fires_1 if "ovirt.name.invalid" in ids({"name": "my_vm"})

test_name_fires_2 if "ovirt.name.invalid" in ids({"name": "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"})

test_name_is_quiet_1 if not "ovirt.name.invalid" in ids({"name": "my-vm.1"})

test_name_is_quiet_2 if not "ovirt.name.invalid" in ids({"name": "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"})
