# High availability works in another way on the target.
package io.konveyor.forklift.ovirt

import rego.v1

concerns contains flag if {
	input.haEnabled
	flag := {
		"id": "ovirt.ha.enabled",
		"category": "Warning",
		"label": "VM configured as HA",
		"assessment": "High availability of oVirt is not carried over; the run strategy of the target takes its place.",
	}
}
