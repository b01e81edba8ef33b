# A device of the host cannot come along.
package io.konveyor.forklift.openstack

import rego.v1

concerns contains flag if {
	input.flavor.extraSpecs["pci_passthrough:alias"]
	flag := {
		"id": "openstack.host_devices.mapped",
		"category": "Warning",
		"label": "VM has mapped host devices",
		"assessment": "Devices of the host are not carried over.",
	}
}
