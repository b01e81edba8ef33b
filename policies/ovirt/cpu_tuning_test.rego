package io.konveyor.forklift.ovirt_test

import rego.v1

test_cpu_tuning_fires if "ovirt.cpu.tuning.detected" in ids({"name": "web", "cpuAffinity": [{"set": "0", "cpu": 1}]})

test_cpu_tuning_is_quiet if not "ovirt.cpu.tuning.detected" in ids({"name": "web", "cpuAffinity": []})
