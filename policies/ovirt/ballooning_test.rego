package io.konveyor.forklift.ovirt_test

import rego.v1

test_ballooning_fires if "ovirt.memory.ballooning.enabled" in ids({"name": "web", "balloonedMemory": true})

test_ballooning_is_quiet if not "ovirt.memory.ballooning.enabled" in ids({"name": "web", "balloonedMemory": false})
