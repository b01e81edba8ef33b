# Fault tolerance belongs to the source cluster.
package io.konveyor.forklift.vmware

import rego.v1

concerns contains flag if {
	input.faultToleranceEnabled
	flag := {
		"id": "vmware.fault_tolerance.enabled",
		"category": "Information",
		"label": "Fault tolerance",
		"assessment": "Fault tolerance has no counterpart on the target.",
	}
}
