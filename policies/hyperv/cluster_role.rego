# Machines on a cluster that the cluster does not manage.
package io.konveyor.forklift.hyperv

import rego.v1

concerns contains flag if {
	input.managementType == "cluster"
	not input.isClusterRole
	flag := {
		"id": "hyperv.cluster_role.not_registered",
		"category": "Warning",
		"label": "VM is not a Failover Cluster role",
		"assessment": "The VM runs on a cluster but is no role of it: it may move while it is read.",
	}
}
