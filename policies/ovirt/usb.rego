# USB devices stay with the host.
package io.konveyor.forklift.ovirt

import rego.v1

concerns contains flag if {
	input.usbEnabled
	flag := {
		"id": "ovirt.usb.enabled",
		"category": "Warning",
		"label": "USB support enabled",
		"assessment": "USB support is not carried over.",
	}
}
