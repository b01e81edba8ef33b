package io.konveyor.forklift.ovirt_test

import rego.v1

test_cpu_pinning_policy_fires_1 if "ovirt.cpu.pinning_policy.unsupported" in ids({"name": "web", "cpuPinningPolicy": "isolate_threads"})

test_cpu_pinning_policy_fires_2 if "ovirt.cpu.pinning_policy.unsupported" in ids({"name": "web", "cpuPinningPolicy": "resize_and_pin_numa"})

test_cpu_pinning_policy_is_quiet if not "ovirt.cpu.pinning_policy.unsupported" in ids({"name": "web", "cpuPinningPolicy": "dedicated"})
