package io.konveyor.forklift.ovirt_test

import rego.v1

test_ha_fires if "ovirt.ha.enabled" in ids({"name": "web", "haEnabled": true})

test_ha_is_quiet if not "ovirt.ha.enabled" in ids({"name": "web", "haEnabled": false})
