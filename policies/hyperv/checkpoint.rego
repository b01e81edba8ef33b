# Only the present state moves.
package io.konveyor.forklift.hyperv

import rego.v1

concerns contains flag if {
	input.hasCheckpoint == true
	flag := {
		"id": "hyperv.checkpoint.detected",
		"category": "Information",
		"label": "VM checkpoint detected",
		"assessment": "The VM has a checkpoint; only its present state is migrated.",
	}
}
