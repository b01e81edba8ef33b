# The target has VNC.
package io.konveyor.forklift.ovirt

import rego.v1

concerns contains flag if {
	input.display == "spice"
	flag := {
		"id": "ovirt.display_type.spice.enabled",
		"category": "Information",
		"label": "VM Display Type",
		"assessment": "The VM uses SPICE; on the target it gets VNC.",
	}
}
