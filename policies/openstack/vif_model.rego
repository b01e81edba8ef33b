# Models that the target does not have.
package io.konveyor.forklift.openstack

import rego.v1

concerns contains flag if {
	not regex.match(`e1000|e1000e|rtl8139|virtio|ne2k_pci|pcnet`, input.image.properties.hw_vif_model)
	flag := {
		"id": "openstack.network.vif_model.unsupported",
		"category": "Warning",
		"label": "Unsupported VIF model detected",
		"assessment": "The target does not have this model of network adapter; it is replaced.",
	}
}
