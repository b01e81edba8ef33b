# A disk without a size cannot be made.  The original looked under a name in small letters, which the inventory does not send.
package io.konveyor.forklift.ova

import rego.v1

concerns contains flag if {
	some disk in input.disks
	some size in capacities(disk)
	size <= 0
	flag := {
		"id": "ova.disk.capacity.invalid",
		"category": "Critical",
		"label": sprintf("Disk '%v' has an invalid capacity of %v bytes", [object.get(disk, "FilePath", object.get(disk, "path", "")), size]),
		"assessment": "The capacity of a disk must be greater than zero.",
	}
}
