# Watchdogs are not carried over.
package io.konveyor.forklift.openstack

import rego.v1

concerns contains flag if {
	watchdog
	flag := {
		"id": "openstack.watchdog.detected",
		"category": "Warning",
		"label": "Watchdog detected",
		"assessment": "The watchdog is not carried over.",
	}
}
