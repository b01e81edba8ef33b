# What counts as known.
package io.konveyor.forklift.hyperv

import rego.v1

guest_is_known if count(input.guestOS) > 0

readable(disk) if count(disk.smbPath) > 0

has_network(nic) if count(nic.network.id) > 0
