# A disk without a size cannot be made.  The original looked for the size of a LUN under names that are never sent.
package io.konveyor.forklift.ovirt

import rego.v1

concerns contains flag if {
	some item in input.diskAttachments
	some size in capacities(item.disk)
	size <= 0
	flag := {
		"id": "ovirt.disk.capacity.invalid",
		"category": "Critical",
		"label": sprintf("Disk '%v' has an invalid capacity of %v bytes", [object.get(item.disk, "name", object.get(item.disk, "id", "")), size]),
		"assessment": "The capacity of a disk must be greater than zero.",
	}
}
