package io.konveyor.forklift.ovirt_test

import rego.v1

test_ksm_fires if "ovirt.cluster.ksm_enabled" in ids({"name": "web", "cluster": {"ksmEnabled": true}})

test_ksm_is_quiet if not "ovirt.cluster.ksm_enabled" in ids({"name": "web", "cluster": {"ksmEnabled": false}})
