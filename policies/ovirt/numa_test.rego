package io.konveyor.forklift.ovirt_test

import rego.v1

test_numa_fires if "ovirt.numa.tuning.detected" in ids({"name": "web", "numaNodeAffinity": ["0"]})

test_numa_is_quiet if not "ovirt.numa.tuning.detected" in ids({"name": "web", "numaNodeAffinity": []})
