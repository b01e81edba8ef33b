# The boot menu of the firmware is not carried over.
package io.konveyor.forklift.openstack

import rego.v1

concerns contains flag if {
	input.image.properties.hw_boot_menu == "true"
	flag := {
		"id": "openstack.bios.boot_menu.enabled",
		"category": "Warning",
		"label": "VM has BIOS boot menu enabled",
		"assessment": "The boot menu is not carried over.",
	}
}
