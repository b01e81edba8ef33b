# What a TPM keeps does not leave it.
package io.konveyor.forklift.vmware

import rego.v1

concerns contains flag if {
	input.tpmEnabled == true
	flag := {
		"id": "vmware.tpm.detected",
		"category": "Warning",
		"label": "TPM detected",
		"assessment": "The VM has a TPM; what it keeps is lost by the migration.",
	}
}
