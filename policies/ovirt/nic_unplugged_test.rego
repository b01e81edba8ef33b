package io.konveyor.forklift.ovirt_test

import rego.v1

test_nic_unplugged_fires if "ovirt.nic.unplugged.detected" in ids({"name": "web", "nics": [{"plugged": false}]})

test_nic_unplugged_is_quiet if not "ovirt.nic.unplugged.detected" in ids({"name": "web", "nics": [{"plugged": true}]})
