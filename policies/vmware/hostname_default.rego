# A guest with the default host name may be renamed.
package io.konveyor.forklift.vmware

import rego.v1

concerns contains flag if {
	input.hostName == "localhost.localdomain"
	flag := {
		"id": "vmware.hostname.default",
		"category": "Warning",
		"label": "Default Host Name",
		"assessment": "The guest has the default host name and may get another one on the target.",
	}
}
