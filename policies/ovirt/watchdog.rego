# Watchdogs are not carried over.
package io.konveyor.forklift.ovirt

import rego.v1

concerns contains flag if {
	count(input.watchDogs) != 0
	flag := {
		"id": "ovirt.watchdog.enabled",
		"category": "Warning",
		"label": "Watchdog detected",
		"assessment": "The watchdog is not carried over.",
	}
}
