# Guests that the conversion does not know.
package io.konveyor.forklift.vmware

import rego.v1

concerns contains flag if {
	guest_is_named
	not supported_guest
	flag := {
		"id": "vmware.os.unsupported",
		"category": "Warning",
		"label": "Unsupported operating system detected",
		"assessment": "The guest operating system is not among those that the conversion supports.",
	}
}
