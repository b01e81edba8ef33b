# Bytes that the conversion needs free, by mount point or drive.
package io.konveyor.forklift.vmware

import rego.v1

mib := 1024 * 1024

needed_space(path) := 100 * mib if {
	path == "/"
} else := 50 * mib if {
	path == "/boot"
} else := 100 * mib if {
	lower(path) in {"c:", "c:\\", "c:/"}
} else := 10 * mib
