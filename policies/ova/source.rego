# Machines that were exported by something else.  The original looked under a name that the inventory does not send.
package io.konveyor.forklift.ova

import rego.v1

concerns contains flag if {
	some origin in origins
	origin != "VMware"
	flag := {
		"id": "ova.source.unsupported",
		"category": "Warning",
		"label": "Unsupported OVA source",
		"assessment": "The file was not exported by VMware; the migration may not succeed.",
	}
}
