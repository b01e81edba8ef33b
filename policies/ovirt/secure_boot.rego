# Keys of the firmware stay behind.
package io.konveyor.forklift.ovirt

import rego.v1

concerns contains flag if {
	input.bios == "q35_secure_boot"
	flag := {
		"id": "ovirt.secure_boot.detected",
		"category": "Warning",
		"label": "UEFI secure boot detected",
		"assessment": "The VM boots securely; keys that were enrolled are not carried over.",
	}
}
