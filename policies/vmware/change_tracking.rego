# Warm migration reads what changed through changed block tracking.
package io.konveyor.forklift.vmware

import rego.v1

concerns contains flag if {
	input.changeTrackingEnabled == false
	flag := {
		"id": "vmware.changed_block_tracking.disabled",
		"category": "Warning",
		"label": "Changed Block Tracking (CBT) not enabled",
		"assessment": "Warm migration needs changed block tracking; switch it on for the VM first.",
	}
}
