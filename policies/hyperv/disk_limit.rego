# The most disks of one machine on the target.
package io.konveyor.forklift.hyperv

import rego.v1

max_disk_count := 165
