# Raw device mappings are not files that could be copied.
package io.konveyor.forklift.vmware

import rego.v1

concerns contains flag if {
	some disk in input.disks
	disk.rdm
	flag := {
		"id": "vmware.disk.rdm.detected",
		"category": "Warning",
		"label": "Raw Device Mapped disk detected",
		"assessment": "Raw device mappings can be moved with copy offload only.",
	}
}
