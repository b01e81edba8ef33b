# Each disk has its own switch for changed block tracking.
package io.konveyor.forklift.vmware

import rego.v1

concerns contains flag if {
	some disk in input.disks
	disk.changeTrackingEnabled == false
	disk.file
	disk.bus
	number := disk.controllerKey % 10
	flag := {
		"id": "vmware.changed_block_tracking.disk.disabled",
		"category": "Warning",
		"label": sprintf("Disk - %s%v:%v does not have CBT enabled", [disk.bus, number, disk.unitNumber]),
		"assessment": "Warm migration needs changed block tracking on every disk; switch it on for this one.",
	}
}
