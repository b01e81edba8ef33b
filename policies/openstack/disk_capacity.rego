# A volume without a size cannot be made.
package io.konveyor.forklift.openstack

import rego.v1

concerns contains flag if {
	some volume in input.volumes
	volume.size <= 0
	flag := {
		"id": "openstack.disk.capacity.invalid",
		"category": "Critical",
		"label": sprintf("Volume '%v' has an invalid size of %v GB", [object.get(volume, "name", ""), volume.size]),
		"assessment": "The size of a volume must be greater than zero.",
	}
}
