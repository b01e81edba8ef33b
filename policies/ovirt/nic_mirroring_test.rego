package io.konveyor.forklift.ovirt_test

import rego.v1

test_nic_mirroring_fires if "ovirt.nic.port_mirroring.detected" in ids({"name": "web", "nics": [{"profile": {"portMirroring": true}}]})

test_nic_mirroring_is_quiet if not "ovirt.nic.port_mirroring.detected" in ids({"name": "web", "nics": [{"profile": {"portMirroring": false}}]})
