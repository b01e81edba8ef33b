# Pinning to NUMA nodes is not carried over.
package io.konveyor.forklift.openstack

import rego.v1

concerns contains flag if {
	some key in {"hw:pci_numa_affinity_policy", "hw:numa_nodes"}
	input.flavor.extraSpecs[key]
	flag := {
		"id": "openstack.numa_tuning.detected",
		"category": "Warning",
		"label": "NUMA tuning detected",
		"assessment": "NUMA tuning is not carried over.",
	}
}
