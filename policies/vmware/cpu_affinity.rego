# Pinned processors are not carried over.
package io.konveyor.forklift.vmware

import rego.v1

concerns contains flag if {
	count(input.cpuAffinity) != 0
	flag := {
		"id": "vmware.cpu_affinity.detected",
		"category": "Warning",
		"label": "CPU affinity detected",
		"assessment": "The VM runs on chosen processors; the target does not carry that over.",
	}
}
