# Pinning to NUMA nodes is not carried over.
package io.konveyor.forklift.ovirt

import rego.v1

concerns contains flag if {
	count(input.numaNodeAffinity) != 0
	flag := {
		"id": "ovirt.numa.tuning.detected",
		"category": "Warning",
		"label": "NUMA tuning detected",
		"assessment": "NUMA tuning is not carried over.",
	}
}
