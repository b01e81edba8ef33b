# States in which a machine cannot be moved.
package io.konveyor.forklift.openstack

import rego.v1

concerns contains flag if {
	is_string(input.status)
	not regex.match(`ACTIVE|SHUTOFF`, input.status)
	flag := {
		"id": "openstack.vm.status.invalid",
		"category": "Warning",
		"label": "VM has a status condition that may prevent successful migration",
		"assessment": "The VM is in a state in which it may not be possible to migrate it.",
	}
}
