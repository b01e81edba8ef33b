# Rules of placement are not carried over.
package io.konveyor.forklift.ovirt

import rego.v1

concerns contains flag if {
	regex.match(`\bmigratable\b`, input.placementPolicyAffinity)
	flag := {
		"id": "ovirt.placement_policy.affinity_set",
		"category": "Warning",
		"label": "Placement policy affinity",
		"assessment": "The placement policy is not carried over; the eviction strategy of the target takes its place.",
	}
}
