# Pinned processors are not carried over.
package io.konveyor.forklift.ovirt

import rego.v1

concerns contains flag if {
	count(input.cpuAffinity) != 0
	flag := {
		"id": "ovirt.cpu.tuning.detected",
		"category": "Warning",
		"label": "CPU tuning detected",
		"assessment": "CPU tuning other than one to one pinning is not carried over.",
	}
}
