# Buses that the target does not have.
package io.konveyor.forklift.ovirt

import rego.v1

concerns contains flag if {
	count(input.diskAttachments) > count([1 |
			some item in input.diskAttachments
			item.interface in {"sata", "virtio_scsi", "virtio"}
		])
	flag := {
		"id": "ovirt.disk.interface_type.unsupported",
		"category": "Warning",
		"label": "Unsupported disk interface type detected",
		"assessment": "The target has SATA, virtio and virtio-scsi disks; another one gets the bus of the target.",
	}
}
