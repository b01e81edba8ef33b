# Policies of pinning that have no counterpart.
package io.konveyor.forklift.ovirt

import rego.v1

concerns contains flag if {
	input.cpuPinningPolicy in {"resize_and_pin_numa", "isolate_threads"}
	flag := {
		"id": "ovirt.cpu.pinning_policy.unsupported",
		"category": "Warning",
		"label": "Unsupported CPU pinning policy detected",
		"assessment": "The CPU pinning policy has no counterpart on the target.",
	}
}
