# A device of the host cannot come along.
package io.konveyor.forklift.vmware

import rego.v1

concerns contains flag if {
	some device in input.devices
	device.kind == "VirtualPCIPassthrough"
	flag := {
		"id": "vmware.passthrough_device.detected",
		"category": "Critical",
		"label": "Passthrough device detected",
		"assessment": "The VM uses a PCI device of its host; remove the device before the migration.",
	}
}
