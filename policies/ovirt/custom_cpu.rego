# Models that an administrator made up.
package io.konveyor.forklift.ovirt

import rego.v1

concerns contains flag if {
	count(input.customCpuModel) != 0
	flag := {
		"id": "ovirt.cpu.custom_model.detected",
		"category": "Warning",
		"label": "Custom CPU Model detected",
		"assessment": "The custom CPU model is not carried over; the target chooses one.",
	}
}
