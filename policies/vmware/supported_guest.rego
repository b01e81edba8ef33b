# Guests that the conversion knows, by identifier and by name.
package io.konveyor.forklift.vmware

import rego.v1

supported_names := [
	"rhel 7", "rhel 8", "rhel 9", "rhel 10",
	"red hat enterprise linux 7", "red hat enterprise linux 8",
	"red hat enterprise linux 9", "red hat enterprise linux 10",
	"windows 10", "windows 11", "windows server 2016", "windows server 2019",
	"windows server 2022", "windows server 2025",
]

supported_name(name) if contains(lower(name), supported_names[_])

guest_is_named if is_string(input.guestId)

guest_is_named if count(input.guestNameFromVmwareTools) > 0

guest_is_named if {
	is_string(input.guestName)
	input.guestNameFromVmwareTools == ""
}

supported_guest if regex.match(`^rhel(7|8|9|10)`, lower(input.guestId))

supported_guest if regex.match(`^windows(9_|10|11|2016|2019|2022|2025)`, lower(input.guestId))

supported_guest if supported_name(input.guestNameFromVmwareTools)

# The tools' name comes first; the configured one counts when they have none.
supported_guest if {
	input.guestNameFromVmwareTools == ""
	supported_name(input.guestName)
}
