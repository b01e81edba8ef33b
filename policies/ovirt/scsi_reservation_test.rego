package io.konveyor.forklift.ovirt_test

import rego.v1

test_scsi_reservation_fires if "ovirt.disk.scsi_reservation.enabled" in ids({"name": "web", "diskAttachments": [{"id": "a", "scsiReservation": true}]})

test_scsi_reservation_is_quiet if not "ovirt.disk.scsi_reservation.enabled" in ids({"name": "web", "diskAttachments": [{"id": "a", "scsiReservation": false}]})
