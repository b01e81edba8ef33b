package io.konveyor.forklift.hyperv_test

import rego.v1

test_tpm_fires if "hyperv.tpm.detected" in ids({"name": "web", "tpmEnabled": true})

test_tpm_is_quiet if not "hyperv.tpm.detected" in ids({"name": "web", "tpmEnabled": false})
