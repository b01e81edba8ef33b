# Reservations between machines are not carried over.
package io.konveyor.forklift.ovirt

import rego.v1

concerns contains flag if {
	some item in input.diskAttachments
	item.scsiReservation == true
	flag := {
		"id": "ovirt.disk.scsi_reservation.enabled",
		"category": "Warning",
		"label": "Shared disk detected",
		"assessment": "A disk has SCSI reservations; they are not carried over.",
	}
}
