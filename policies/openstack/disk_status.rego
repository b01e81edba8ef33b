# Volumes that cannot be read.
package io.konveyor.forklift.openstack

import rego.v1

concerns contains flag if {
	some volume in input.volumes
	not volume.status in {"available", "in-use"}
	flag := {
		"id": "openstack.disk.status.unsupported",
		"category": "Critical",
		"label": "VM has one or more disks with an unsupported status",
		"assessment": "A volume is neither available nor in use and cannot be read.",
	}
}
