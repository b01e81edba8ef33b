# A disk without a size cannot be made.
package io.konveyor.forklift.vmware

import rego.v1

concerns contains flag if {
	some disk in input.disks
	disk.capacity <= 0
	flag := {
		"id": "vmware.disk.capacity.invalid",
		"category": "Critical",
		"label": sprintf("Disk '%v' has an invalid capacity of %v bytes", [object.get(disk, "file", ""), disk.capacity]),
		"assessment": "The capacity of a disk must be greater than zero.",
	}
}
