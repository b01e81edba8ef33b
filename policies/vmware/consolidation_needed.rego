# Snapshot chains that were not joined make every precopy slow.
package io.konveyor.forklift.vmware

import rego.v1

concerns contains flag if {
	input.consolidationNeeded == true
	flag := {
		"id": "vmware.consolidation_needed",
		"category": "Warning",
		"label": "Snapshot consolidation required",
		"assessment": "The disks of the VM need consolidation; precopies are slow until that is done.",
	}
}
