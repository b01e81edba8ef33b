# Adapters on switches that were not found.
package io.konveyor.forklift.hyperv

import rego.v1

concerns contains flag if {
	some nic in input.nics
	count(nic.networkName) > 0
	not has_network(nic)
	flag := {
		"id": "hyperv.nic.unresolved_network",
		"category": "Warning",
		"label": sprintf("NIC '%v' references undiscovered switch '%v'", [object.get(nic, "name", ""), nic.networkName]),
		"assessment": "The switch of an adapter is not in the inventory, so no network map can name it.",
	}
}
