# Systems that want a TPM.
package io.konveyor.forklift.ovirt

import rego.v1

concerns contains flag if {
	input.osType in {"windows_2022", "windows_11"}
	flag := {
		"id": "ovirt.tpm.required_by_os",
		"category": "Warning",
		"label": "TPM detected",
		"assessment": "This system wants a TPM; what the old one keeps is lost by the migration.",
	}
}
