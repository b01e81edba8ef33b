package io.konveyor.forklift.openstack_test

import rego.v1

test_cpu_shares_fires if "openstack.cpu.shares.defined" in ids({"name": "web", "flavor": {"extraSpecs": {"quota:cpu_shares": "10"}}})

test_cpu_shares_is_quiet if not "openstack.cpu.shares.defined" in ids({"name": "web", "flavor": {"extraSpecs": {"other": "1"}}})
