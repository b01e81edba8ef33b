package io.konveyor.forklift.vmware_test

import rego.v1

test_consolidation_needed_fires if "vmware.consolidation_needed" in ids({"name": "web", "consolidationNeeded": true})

test_consolidation_needed_is_quiet if not "vmware.consolidation_needed" in ids({"name": "web", "consolidationNeeded": false})
