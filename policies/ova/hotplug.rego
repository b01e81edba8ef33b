# Adding processors or memory to a running machine.
package io.konveyor.forklift.ova

import rego.v1

concerns contains flag if {
	hotplug_enabled
	flag := {
		"id": "ova.cpu_memory.hotplug.enabled",
		"category": "Warning",
		"label": "CPU/Memory hotplug detected",
		"assessment": "Hot plugging of processors or memory is not carried over; it can be set up again after the migration.",
	}
}
