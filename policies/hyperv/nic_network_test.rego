package io.konveyor.forklift.hyperv_test

import rego.v1

test_nic_network_fires_1 if "hyperv.nic.unresolved_network" in ids({"name": "web", "nics": [{"name": "a", "networkName": "sw"}]})

test_nic_network_fires_2 if "hyperv.nic.unresolved_network" in ids({"name": "web", "nics": [{"name": "a", "networkName": "sw", "network": {"id": ""}}]})

test_nic_network_is_quiet_1 if not "hyperv.nic.unresolved_network" in ids({"name": "web", "nics": [{"name": "a", "networkName": "sw", "network": {"id": "1"}}]})

test_nic_network_is_quiet_2 if not "hyperv.nic.unresolved_network" in ids({"name": "web", "nics": [{"name": "a", "networkName": ""}]})
