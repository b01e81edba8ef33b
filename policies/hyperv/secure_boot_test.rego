package io.konveyor.forklift.hyperv_test

import rego.v1

test_secure_boot_fires if "hyperv.secure_boot.detected" in ids({"name": "web", "secureBoot": true})

test_secure_boot_is_quiet if not "hyperv.secure_boot.detected" in ids({"name": "web", "secureBoot": false})
