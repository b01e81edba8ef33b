package io.konveyor.forklift.ovirt_test

import rego.v1

test_nic_filter_fires if "ovirt.nic.network_filter.detected" in ids({"name": "web", "nics": [{"profile": {"networkFilter": "f"}}]})

test_nic_filter_is_quiet if not "ovirt.nic.network_filter.detected" in ids({"name": "web", "nics": [{"profile": {"networkFilter": ""}}]})
