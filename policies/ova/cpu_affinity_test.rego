package io.konveyor.forklift.ova_test

import rego.v1

test_cpu_affinity_fires if "ova.cpu_affinity.detected" in ids({"name": "web", "cpuAffinity": [0]})

test_cpu_affinity_is_quiet if not "ova.cpu_affinity.detected" in ids({"name": "web", "cpuAffinity": []})
