# A guest without a host name may be renamed.
package io.konveyor.forklift.vmware

import rego.v1

concerns contains flag if {
	input.hostName == ""
	flag := {
		"id": "vmware.hostname.empty",
		"category": "Warning",
		"label": "Empty Host Name",
		"assessment": "The guest reports no host name and may get another one on the target.",
	}
}
