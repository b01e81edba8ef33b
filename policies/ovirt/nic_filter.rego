# Filters of networks are not carried over.
package io.konveyor.forklift.ovirt

import rego.v1

concerns contains flag if {
	some item in input.nics
	item.profile.networkFilter != ""
	flag := {
		"id": "ovirt.nic.network_filter.detected",
		"category": "Warning",
		"label": "NIC with network filter detected",
		"assessment": "The network filter of a vNIC profile is not carried over.",
	}
}
