# A disk with two machines needs care.
package io.konveyor.forklift.ovirt

import rego.v1

concerns contains flag if {
	some item in input.diskAttachments
	item.disk.shared == true
	flag := {
		"id": "ovirt.disk.shared.detected",
		"category": "Warning",
		"label": "Shared disk detected",
		"assessment": "A disk is shared with other VMs: it is to be moved once, with all of them powered off.",
	}
}
