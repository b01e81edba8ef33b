# Serial numbers of SCSI disks are cut.
package io.konveyor.forklift.vmware

import rego.v1

concerns contains flag if {
	input.diskEnableUuid == true
	some disk in input.disks
	disk.bus == "scsi"
	flag := {
		"id": "vmware.disk_serial.truncated",
		"category": "Information",
		"label": "Disk serial numbers may be truncated",
		"assessment": "The guest sees serial numbers of SCSI disks; on the target they are shorter.",
	}
}
