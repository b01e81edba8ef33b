# Only the present state moves.
package io.konveyor.forklift.vmware

import rego.v1

concerns contains flag if {
	input.snapshot.kind == "VirtualMachineSnapshot"
	flag := {
		"id": "vmware.snapshot.detected",
		"category": "Information",
		"label": "VM snapshot detected",
		"assessment": "The VM has a snapshot; only its present state is migrated.",
	}
}
