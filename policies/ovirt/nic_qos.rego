# Limits of networks are not carried over.
package io.konveyor.forklift.ovirt

import rego.v1

concerns contains flag if {
	some item in input.nics
	item.profile.qos != ""
	flag := {
		"id": "ovirt.nic.qos.detected",
		"category": "Warning",
		"label": "NIC with QoS settings detected",
		"assessment": "Quality of service settings are not carried over.",
	}
}
