# Models that the target does not have.
package io.konveyor.forklift.ovirt

import rego.v1

concerns contains flag if {
	count(input.nics) != count([1 |
			some item in input.nics
			item.interface in {"e1000", "rtl8139", "virtio"}
		])
	flag := {
		"id": "ovirt.nic.interface_type.unsupported",
		"category": "Warning",
		"label": "Unsupported NIC interface type detected",
		"assessment": "The target has e1000, rtl8139 and virtio adapters; another one is replaced.",
	}
}
