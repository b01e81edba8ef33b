package io.konveyor.forklift.ovirt_test

import rego.v1

test_cpu_shares_fires if "ovirt.cpu.shares.defined" in ids({"name": "web", "cpuShares": 1024})

test_cpu_shares_is_quiet if not "ovirt.cpu.shares.defined" in ids({"name": "web", "cpuShares": 0})
