# Disks are read through a share.
package io.konveyor.forklift.hyperv

import rego.v1

concerns contains flag if {
	some disk in input.disks
	not readable(disk)
	flag := {
		"id": "hyperv.disk.smb_path.missing",
		"category": "Warning",
		"label": sprintf("Disk '%v' cannot be mapped to SMB share", [object.get(disk, "name", "")]),
		"assessment": "The path of the disk is below no share that is known, so it cannot be read.",
	}
}
