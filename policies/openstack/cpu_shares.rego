# Weights between machines are not carried over.
package io.konveyor.forklift.openstack

import rego.v1

concerns contains flag if {
	input.flavor.extraSpecs["quota:cpu_shares"]
	flag := {
		"id": "openstack.cpu.shares.defined",
		"category": "Warning",
		"label": "VM has CPU Shares Defined",
		"assessment": "CPU shares are not carried over.",
	}
}
