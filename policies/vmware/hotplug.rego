# Adding processors or memory to a running machine.
package io.konveyor.forklift.vmware

import rego.v1

concerns contains flag if {
	hotplug_enabled
	flag := {
		"id": "vmware.cpu_memory.hotplug.enabled",
		"category": "Warning",
		"label": "CPU/Memory hotplug detected",
		"assessment": "Hot plugging of processors or memory is not carried over; it can be set up again after the migration.",
	}
}
