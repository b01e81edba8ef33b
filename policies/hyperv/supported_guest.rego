# Guests that the conversion knows, by identifier and by name.
package io.konveyor.forklift.hyperv

import rego.v1

supported_names := [
	"rhel 7", "rhel 8", "rhel 9", "rhel 10",
	"red hat enterprise linux 7", "red hat enterprise linux 8",
	"red hat enterprise linux 9", "red hat enterprise linux 10",
	"windows 10", "windows 11", "windows server 2016", "windows server 2019",
	"windows server 2022", "windows server 2025",
]

supported_name(name) if contains(lower(name), supported_names[_])
