package io.konveyor.forklift.ovirt_test

import rego.v1

test_display_fires if "ovirt.display_type.spice.enabled" in ids({"name": "web", "display": "spice"})

test_display_is_quiet if not "ovirt.display_type.spice.enabled" in ids({"name": "web", "display": "vnc"})
