# Ballooning is not carried over.
package io.konveyor.forklift.ovirt

import rego.v1

concerns contains flag if {
	input.balloonedMemory
	flag := {
		"id": "ovirt.memory.ballooning.enabled",
		"category": "Information",
		"label": "VM has memory ballooning enabled",
		"assessment": "Memory ballooning is not carried over.",
	}
}
