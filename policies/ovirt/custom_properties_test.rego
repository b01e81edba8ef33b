package io.konveyor.forklift.ovirt_test

import rego.v1

test_custom_properties_fires if "ovirt.vm.custom_properties.detected" in ids({"name": "web", "properties": [{"name": "a"}]})

test_custom_properties_is_quiet if not "ovirt.vm.custom_properties.detected" in ids({"name": "web", "properties": []})
