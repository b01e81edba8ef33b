# Guests that the conversion knows, by distribution and version of the image.
package io.konveyor.forklift.openstack

import rego.v1

supported_guest if {
	input.image.properties.os_distro in {"rhel", "centos"}
	regex.match(`^(7|8|9)`, input.image.properties.os_version)
}

supported_guest if {
	input.image.properties.os_distro == "windows"
	regex.match(`(20|2k)(08|12|16|19|22)|^(7|8|10|11)`, input.image.properties.os_version)
}

supported_guest if {
	input.image.properties.os_distro == "fedora"
	regex.match(`36|37|38`, input.image.properties.os_version)
}
