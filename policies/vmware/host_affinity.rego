# Rules that tie machines to hosts are not carried over.
package io.konveyor.forklift.vmware

import rego.v1

concerns contains flag if {
	some machine in input.host.cluster.hostAffinityVms
	machine.id == input.id
	flag := {
		"id": "vmware.host_affinity.detected",
		"category": "Warning",
		"label": "VM-Host affinity detected",
		"assessment": "The VM is tied to a host; the target does not carry that over.",
	}
}
