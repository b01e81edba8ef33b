# More disks than a machine on the target can have.
package io.konveyor.forklift.ovirt

import rego.v1

concerns contains flag if {
	count(input.diskAttachments) > max_disk_count
	flag := {
		"id": "ovirt.disk.count.exceeds.limit",
		"category": "Warning",
		"label": sprintf("VM has %d disks, which exceeds the limit of %d", [count(input.diskAttachments), max_disk_count]),
		"assessment": "The target attaches at most 165 disks to a machine; remove or join disks before the migration.",
	}
}
