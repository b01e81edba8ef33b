# Addresses that are not known cannot be kept.
package io.konveyor.forklift.hyperv

import rego.v1

concerns contains flag if {
	input.guestNetworks == []
	flag := {
		"id": "hyperv.vm_missing_ip.detected",
		"category": "Warning",
		"label": "VM is missing IP addresses",
		"assessment": "No addresses of the guest are known, so static ones cannot be kept; start the VM with its integration services first.",
	}
}
