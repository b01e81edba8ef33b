# Keys of the firmware stay behind.
package io.konveyor.forklift.hyperv

import rego.v1

concerns contains flag if {
	input.secureBoot == true
	flag := {
		"id": "hyperv.secure_boot.detected",
		"category": "Information",
		"label": "Secure Boot enabled",
		"assessment": "The VM boots securely; keys that were enrolled are not carried over.",
	}
}
