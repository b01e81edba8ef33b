package io.konveyor.forklift.ovirt_test

import rego.v1

test_nic_qos_fires if "ovirt.nic.qos.detected" in ids({"name": "web", "nics": [{"profile": {"qos": "q"}}]})

test_nic_qos_is_quiet if not "ovirt.nic.qos.detected" in ids({"name": "web", "nics": [{"profile": {"qos": ""}}]})
