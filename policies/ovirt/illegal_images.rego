# Images that a failed operation left behind.
package io.konveyor.forklift.ovirt

import rego.v1

concerns contains flag if {
	input.hasIllegalImages
	flag := {
		"id": "ovirt.disk.illegal_images.detected",
		"category": "Critical",
		"label": "Illegal disk images detected",
		"assessment": "The VM has illegal images: its disks cannot be read until they are repaired.",
	}
}
