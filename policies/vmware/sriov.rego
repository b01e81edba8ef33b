# Virtual functions of network cards belong to the host.
package io.konveyor.forklift.vmware

import rego.v1

concerns contains flag if {
	some device in input.devices
	device.kind == "VirtualSriovEthernetCard"
	flag := {
		"id": "vmware.device.sriov.detected",
		"category": "Warning",
		"label": "SR-IOV passthrough adapter configuration detected",
		"assessment": "The VM uses an SR-IOV adapter; set one up again after the migration.",
	}
}
