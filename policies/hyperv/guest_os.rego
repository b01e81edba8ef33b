# Guests that the conversion does not know.
package io.konveyor.forklift.hyperv

import rego.v1

concerns contains flag if {
	guest_is_known
	not supported_name(input.guestOS)
	flag := {
		"id": "hyperv.os.unsupported",
		"category": "Warning",
		"label": "Unsupported operating system detected",
		"assessment": "The guest operating system is not among those that the conversion supports.",
	}
}
