# Cards of the host stay with it.
package io.konveyor.forklift.ovirt

import rego.v1

concerns contains flag if {
	some item in input.nics
	item.interface == "pci_passthrough"
	flag := {
		"id": "ovirt.nic.pci_passthrough.detected",
		"category": "Warning",
		"label": "NIC with host device passthrough detected",
		"assessment": "The VM uses a network card of its host; set one up again after the migration.",
	}
}
