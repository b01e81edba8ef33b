# Addresses that are not known cannot be kept.
package io.konveyor.forklift.vmware

import rego.v1

concerns contains flag if {
	count(input.guestNetworks) == 0
	flag := {
		"id": "vmware.vm_missing_ip.detected",
		"category": "Warning",
		"label": "VM is missing IP addresses",
		"assessment": "No addresses of the guest are known, so static ones cannot be kept; start the VM with its tools first.",
	}
}
