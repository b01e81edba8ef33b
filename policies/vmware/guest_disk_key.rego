# Templates that name drive letters need to know which disk a file system is on.
package io.konveyor.forklift.vmware

import rego.v1

concerns contains flag if {
	contains(lower(input.guestId), "windows")
	some disk in input.guestDisks
	object.get(disk, "key", 0) == 0
	flag := {
		"id": "vmware.guestDisks.key.not_found",
		"category": "Information",
		"label": sprintf("Missing disk key mapping for '%v'", [object.get(disk, "path", "")]),
		"assessment": "The disk that a drive letter is on is not known; name templates cannot use the letter.",
	}
}
