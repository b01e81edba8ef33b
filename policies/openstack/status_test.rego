package io.konveyor.forklift.openstack_test

import rego.v1

test_status_fires if "openstack.vm.status.invalid" in ids({"name": "web", "status": "ERROR"})

test_status_is_quiet_1 if not "openstack.vm.status.invalid" in ids({"name": "web", "status": "ACTIVE"})

test_status_is_quiet_2 if not "openstack.vm.status.invalid" in ids({"name": "web", "status": "SHUTOFF"})
