# Distributed power management belongs to the source cluster.
package io.konveyor.forklift.vmware

import rego.v1

concerns contains flag if {
	input.host.cluster.dpmEnabled
	flag := {
		"id": "vmware.dpm.enabled",
		"category": "Information",
		"label": "vSphere DPM detected",
		"assessment": "Distributed power management has no counterpart on the target.",
	}
}
