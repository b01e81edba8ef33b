# Only images and LUNs can be read.
package io.konveyor.forklift.ovirt

import rego.v1

concerns contains flag if {
	count(input.diskAttachments) != count([1 |
			some item in input.diskAttachments
			item.disk.storageType in {"image", "lun"}
		])
	flag := {
		"id": "ovirt.disk.storage_type.unsupported",
		"category": "Critical",
		"label": "Unsupported disk storage type detected",
		"assessment": "A disk is neither an image nor a LUN and cannot be read.",
	}
}
