package io.konveyor.forklift.vmware_test

import rego.v1

test_numa_affinity_fires if "vmware.numa_affinity.detected" in ids({"name": "web", "numaNodeAffinity": ["0"]})

test_numa_affinity_is_quiet if not "vmware.numa_affinity.detected" in ids({"name": "web", "numaNodeAffinity": []})
