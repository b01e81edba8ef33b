# Numbers of I/O threads are not carried over.
package io.konveyor.forklift.ovirt

import rego.v1

concerns contains flag if {
	input.ioThreads > 1
	flag := {
		"id": "ovirt.iothreads.configured",
		"category": "Information",
		"label": "IO Threads configuration detected",
		"assessment": "The number of I/O threads is not carried over.",
	}
}
