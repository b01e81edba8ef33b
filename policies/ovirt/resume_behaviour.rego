# What happens after storage errors.
package io.konveyor.forklift.ovirt

import rego.v1

concerns contains flag if {
	input.storageErrorResumeBehaviour != "auto_resume"
	flag := {
		"id": "ovirt.storage.resume_behavior.unsupported",
		"category": "Information",
		"label": "VM storage error resume behavior",
		"assessment": "The target resumes by itself after storage errors; the other behaviours are not carried over.",
	}
}
