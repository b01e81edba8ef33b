# A disk with two machines needs care.
package io.konveyor.forklift.openstack

import rego.v1

concerns contains flag if {
	some volume in input.volumes
	count(volume.attachments) > 1
	flag := {
		"id": "openstack.disk.shared.detected",
		"category": "Warning",
		"label": "Shared disk detected",
		"assessment": "A volume is attached to other VMs: it is to be moved once, with all of them powered off.",
	}
}
