package io.konveyor.forklift.ovirt_test

import rego.v1

test_custom_cpu_fires if "ovirt.cpu.custom_model.detected" in ids({"name": "web", "customCpuModel": "Westmere"})

test_custom_cpu_is_quiet if not "ovirt.cpu.custom_model.detected" in ids({"name": "web", "customCpuModel": ""})
