# A guest that says nothing about itself.
package io.konveyor.forklift.hyperv

import rego.v1

concerns contains flag if {
	input.powerState == "On"
	not guest_is_known
	flag := {
		"id": "hyperv.integration_services.not_detected",
		"category": "Warning",
		"label": "Hyper-V Integration Services not detected",
		"assessment": "The VM runs but its integration services report nothing; addresses and system are not known.",
	}
}
