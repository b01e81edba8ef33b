# Page merging belongs to the source cluster.
package io.konveyor.forklift.ovirt

import rego.v1

concerns contains flag if {
	input.cluster.ksmEnabled
	flag := {
		"id": "ovirt.cluster.ksm_enabled",
		"category": "Warning",
		"label": "Cluster has KSM enabled",
		"assessment": "The cluster merges equal memory pages; the target may need more memory.",
	}
}
