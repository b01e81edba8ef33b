package io.konveyor.forklift.vmware_test

import rego.v1

test_host_affinity_fires if "vmware.host_affinity.detected" in ids({"name": "web", "id": "vm-1", "host": {"cluster": {"hostAffinityVms": [{"id": "vm-1"}]}}})

test_host_affinity_is_quiet if not "vmware.host_affinity.detected" in ids({"name": "web", "id": "vm-2", "host": {"cluster": {"hostAffinityVms": [{"id": "vm-1"}]}}})
