# USB devices stay with the host.
package io.konveyor.forklift.vmware

import rego.v1

concerns contains flag if {
	some device in input.devices
	device.kind == "VirtualUSBController"
	flag := {
		"id": "vmware.usb_controller.detected",
		"category": "Warning",
		"label": "USB controller detected",
		"assessment": "The VM has a USB controller; devices attached to it are lost.",
	}
}
