# Buses that the target does not have.
package io.konveyor.forklift.openstack

import rego.v1

concerns contains flag if {
	not regex.match(`sata|scsi|virtio`, input.image.properties.hw_disk_bus)
	flag := {
		"id": "openstack.disk.unsupported_interface",
		"category": "Warning",
		"label": "Unsupported disk interface type detected",
		"assessment": "The target has SATA, SCSI and virtio disks; another one gets the bus of the target.",
	}
}
