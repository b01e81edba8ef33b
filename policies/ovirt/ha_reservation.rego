# Reservations belong to the source cluster.
package io.konveyor.forklift.ovirt

import rego.v1

concerns contains flag if {
	input.cluster.haReservation
	flag := {
		"id": "ovirt.ha.reservation.enabled",
		"category": "Warning",
		"label": "Cluster has HA reservation",
		"assessment": "The HA reservation of the cluster is not carried over.",
	}
}
