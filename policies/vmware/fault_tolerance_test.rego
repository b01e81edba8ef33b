package io.konveyor.forklift.vmware_test

import rego.v1

test_fault_tolerance_fires if "vmware.fault_tolerance.enabled" in ids({"name": "web", "faultToleranceEnabled": true})

test_fault_tolerance_is_quiet if not "vmware.fault_tolerance.enabled" in ids({"name": "web", "faultToleranceEnabled": false})
