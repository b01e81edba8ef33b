# The conversion writes into the file systems of the guest.
package io.konveyor.forklift.vmware

import rego.v1

concerns contains flag if {
	some disk in input.guestDisks
	disk.freeSpace < needed_space(disk.path)
	flag := {
		"id": "vmware.guestDisks.freespace",
		"category": "Critical",
		"label": sprintf("Insufficient free space for conversion on '%v'", [disk.path]),
		"assessment": "The conversion needs free space in the guest: 100 MiB on the system disk, 50 MiB on /boot, 10 MiB elsewhere.",
	}
}
