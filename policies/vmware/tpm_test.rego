package io.konveyor.forklift.vmware_test

import rego.v1

test_tpm_fires if "vmware.tpm.detected" in ids({"name": "web", "tpmEnabled": true})

test_tpm_is_quiet if not "vmware.tpm.detected" in ids({"name": "web", "tpmEnabled": false})
