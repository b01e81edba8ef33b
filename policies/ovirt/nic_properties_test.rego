package io.konveyor.forklift.ovirt_test

import rego.v1

test_nic_properties_fires if "ovirt.nic.custom_properties.detected" in ids({"name": "web", "nics": [{"profile": {"properties": [{"name": "a"}]}}]})

test_nic_properties_is_quiet if not "ovirt.nic.custom_properties.detected" in ids({"name": "web", "nics": [{"profile": {"properties": []}}]})
