# Disks that oVirt itself does not let anybody read.
package io.konveyor.forklift.ovirt

import rego.v1

concerns contains flag if {
	some item in input.diskAttachments
	item.disk.status in {"illegal", "locked"}
	flag := {
		"id": "ovirt.disk.illegal_or_locked_status",
		"category": "Critical",
		"label": "VM has an illegal or locked disk status condition",
		"assessment": "A disk is locked or illegal and cannot be read.",
	}
}
