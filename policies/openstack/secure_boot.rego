# Keys of the firmware stay behind.
package io.konveyor.forklift.openstack

import rego.v1

concerns contains flag if {
	secure_boot
	flag := {
		"id": "openstack.secure_boot.detected",
		"category": "Warning",
		"label": "UEFI secure boot detected",
		"assessment": "The VM boots securely; keys that were enrolled are not carried over.",
	}
}
