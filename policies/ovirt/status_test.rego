package io.konveyor.forklift.ovirt_test

import rego.v1

test_status_fires if "ovirt.vm.status_invalid" in ids({"name": "web", "status": "paused"})

test_status_is_quiet_1 if not "ovirt.vm.status_invalid" in ids({"name": "web", "status": "up"})

test_status_is_quiet_2 if not "ovirt.vm.status_invalid" in ids({"name": "web", "status": "down"})

test_status_is_quiet_3 if not "ovirt.vm.status_invalid" in ids({"name": "web", "status": "powering_up"})

test_status_is_quiet_4 if not "ovirt.vm.status_invalid" in ids({"name": "web"})
