package io.konveyor.forklift.vmware_test

import rego.v1

test_drs_fires if "vmware.drs.enabled" in ids({"name": "web", "host": {"cluster": {"drsEnabled": true}}})

test_drs_is_quiet if not "vmware.drs.enabled" in ids({"name": "web", "host": {"cluster": {"drsEnabled": false}}})
