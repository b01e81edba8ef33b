# A device of the host cannot come along.
package io.konveyor.forklift.ovirt

import rego.v1

concerns contains flag if {
	count(input.hostDevices) != 0
	flag := {
		"id": "ovirt.host_devices.mapped",
		"category": "Warning",
		"label": "VM has mapped host devices",
		"assessment": "Devices of the host are not carried over.",
	}
}
