# The boot menu of the firmware is not carried over.
package io.konveyor.forklift.ovirt

import rego.v1

concerns contains flag if {
	input.bootMenuEnabled
	flag := {
		"id": "ovirt.bios.boot_menu.enabled",
		"category": "Warning",
		"label": "VM has BIOS boot menu enabled",
		"assessment": "The boot menu is not carried over.",
	}
}
