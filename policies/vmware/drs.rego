# Distributed resource scheduling belongs to the source cluster.
package io.konveyor.forklift.vmware

import rego.v1

concerns contains flag if {
	input.host.cluster.drsEnabled
	flag := {
		"id": "vmware.drs.enabled",
		"category": "Information",
		"label": "VM running in a DRS-enabled cluster",
		"assessment": "Distributed resource scheduling has no counterpart on the target.",
	}
}
