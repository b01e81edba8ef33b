# Guests that the conversion does not know.
package io.konveyor.forklift.openstack

import rego.v1

concerns contains flag if {
	input.image.properties.os_distro
	input.image.properties.os_version
	not supported_guest
	flag := {
		"id": "openstack.os.unsupported",
		"category": "Warning",
		"label": "Unsupported operative system detected",
		"assessment": "The guest operating system is not among those that the conversion supports.",
	}
}
