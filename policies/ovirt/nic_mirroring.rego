# Port mirroring is not carried over.
package io.konveyor.forklift.ovirt

import rego.v1

concerns contains flag if {
	some item in input.nics
	item.profile.portMirroring == true
	flag := {
		"id": "ovirt.nic.port_mirroring.detected",
		"category": "Warning",
		"label": "NIC with port mirroring detected",
		"assessment": "Port mirroring is not carried over.",
	}
}
