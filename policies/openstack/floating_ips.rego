# Floating addresses belong to the cloud.
package io.konveyor.forklift.openstack

import rego.v1

concerns contains flag if {
	some addresses in input.addresses
	some address in addresses
	address["OS-EXT-IPS:type"] == "floating"
	flag := {
		"id": "openstack.network.floating_ips.detected",
		"category": "Warning",
		"label": "Floating IPs detected",
		"assessment": "Floating addresses are not carried over.",
	}
}
