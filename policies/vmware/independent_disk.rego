# Independent disks are left out of snapshots.
package io.konveyor.forklift.vmware

import rego.v1

concerns contains flag if {
	some disk in input.disks
	disk.mode in {"independent_persistent", "independent_nonpersistent"}
	flag := {
		"id": "vmware.disk_mode.independent",
		"category": "Warning",
		"label": "Independent disk detected",
		"assessment": "Snapshots leave independent disks out, so they cannot be read through VDDK; copy offload can move them.",
	}
}
