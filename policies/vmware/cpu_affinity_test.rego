package io.konveyor.forklift.vmware_test

import rego.v1

test_cpu_affinity_fires if "vmware.cpu_affinity.detected" in ids({"name": "web", "cpuAffinity": [0, 2]})

test_cpu_affinity_is_quiet if not "vmware.cpu_affinity.detected" in ids({"name": "web", "cpuAffinity": []})
