# The name must be one that Kubernetes accepts.
package io.konveyor.forklift.ova

import rego.v1

concerns contains flag if {
	is_string(input.name)
	not valid_name
	flag := {
		"id": "ova.name.invalid",
		"category": "Warning",
		"label": "Invalid VM Name",
		"assessment": "The VM's name is no DNS label of at most 63 characters; the VM gets a changed name on the target.",
	}
}
