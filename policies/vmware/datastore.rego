# A disk that is nowhere cannot be read.
package io.konveyor.forklift.vmware

import rego.v1

concerns contains flag if {
	some disk in input.disks
	count(disk.datastore.id) == 0
	flag := {
		"id": "vmware.datastore.missing",
		"category": "Critical",
		"label": "Disk is not located on a datastore",
		"assessment": "The VM has a disk without a datastore and cannot be migrated.",
	}
}
