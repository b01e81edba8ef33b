# Pinning to NUMA nodes is not carried over.
package io.konveyor.forklift.vmware

import rego.v1

concerns contains flag if {
	count(input.numaNodeAffinity) != 0
	flag := {
		"id": "vmware.numa_affinity.detected",
		"category": "Warning",
		"label": "NUMA node affinity detected",
		"assessment": "The VM is pinned to NUMA nodes; the target does not carry that over.",
	}
}
