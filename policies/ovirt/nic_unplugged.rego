# Adapters without a cable come up with one.
package io.konveyor.forklift.ovirt

import rego.v1

concerns contains flag if {
	some item in input.nics
	item.plugged == false
	flag := {
		"id": "ovirt.nic.unplugged.detected",
		"category": "Warning",
		"label": "Unplugged NIC detected",
		"assessment": "An unplugged adapter is connected on the target.",
	}
}
