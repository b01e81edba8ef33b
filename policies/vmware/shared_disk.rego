# A disk with two machines needs care.
package io.konveyor.forklift.vmware

import rego.v1

concerns contains flag if {
	some disk in input.disks
	disk.shared == true
	flag := {
		"id": "vmware.disk.shared.detected",
		"category": "Warning",
		"label": "Shared disk detected",
		"assessment": "A disk is shared with other VMs: it is to be moved once, with all of them powered off.",
	}
}
