package io.konveyor.forklift.openstack_test

import rego.v1

test_numa_fires_1 if "openstack.numa_tuning.detected" in ids({"name": "web", "flavor": {"extraSpecs": {"hw:numa_nodes": "2"}}})

test_numa_fires_2 if "openstack.numa_tuning.detected" in ids({"name": "web", "flavor": {"extraSpecs": {"hw:pci_numa_affinity_policy": "required"}}})

test_numa_is_quiet if not "openstack.numa_tuning.detected" in ids({"name": "web", "flavor": {"extraSpecs": {"other": "1"}}})
