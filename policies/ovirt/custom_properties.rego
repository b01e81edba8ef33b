# Properties that mean something to oVirt alone.
package io.konveyor.forklift.ovirt

import rego.v1

concerns contains flag if {
	count(input.properties) != 0
	flag := {
		"id": "ovirt.vm.custom_properties.detected",
		"category": "Warning",
		"label": "VM custom properties detected",
		"assessment": "Custom properties are not carried over.",
	}
}
