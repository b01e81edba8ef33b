package io.konveyor.forklift.vmware_test

import rego.v1

test_dpm_fires if "vmware.dpm.enabled" in ids({"name": "web", "host": {"cluster": {"dpmEnabled": true}}})

test_dpm_is_quiet if not "vmware.dpm.enabled" in ids({"name": "web", "host": {"cluster": {"dpmEnabled": false}}})
