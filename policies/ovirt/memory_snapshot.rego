# A snapshot with memory is not carried over.
package io.konveyor.forklift.ovirt

import rego.v1

concerns contains flag if {
	some item in input.snapshots
	item.persistMemory
	flag := {
		"id": "ovirt.snapshot.online_memory.detected",
		"category": "Warning",
		"label": "Online (memory) snapshot detected",
		"assessment": "The VM has a snapshot with memory; it is not carried over.",
	}
}
