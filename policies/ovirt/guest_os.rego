# Guests that the conversion does not know.
package io.konveyor.forklift.ovirt

import rego.v1

concerns contains flag if {
	contains(input.osType, "rhel_6")
	flag := {
		"id": "ovirt.os.unsupported",
		"category": "Warning",
		"label": "Unsupported operating system detected",
		"assessment": "The guest operating system is not among those that the conversion supports.",
	}
}
