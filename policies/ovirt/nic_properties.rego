# Properties that mean something to oVirt alone.
package io.konveyor.forklift.ovirt

import rego.v1

concerns contains flag if {
	some item in input.nics
	count(item.profile.properties) != 0
	flag := {
		"id": "ovirt.nic.custom_properties.detected",
		"category": "Warning",
		"label": "vNIC custom properties detected",
		"assessment": "Custom properties of a vNIC profile are not carried over.",
	}
}
