# Weights between machines are not carried over.
package io.konveyor.forklift.ovirt

import rego.v1

concerns contains flag if {
	input.cpuShares > 0
	flag := {
		"id": "ovirt.cpu.shares.defined",
		"category": "Warning",
		"label": "VM has CPU Shares Defined",
		"assessment": "CPU shares are not carried over.",
	}
}
