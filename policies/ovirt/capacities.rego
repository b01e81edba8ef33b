# Sizes of a disk: its own, or those of the units of its LUN (under both names they are sent as).
package io.konveyor.forklift.ovirt

import rego.v1

capacities(disk) := [disk.provisionedSize] if {
	disk.storageType != "lun"
} else := sizes if {
	units := array.concat(
		object.get(disk, ["lun", "logicalUnits", "logicalUnit"], []),
		object.get(disk, ["lunStorage", "LogicalUnits"], []),
	)
	sizes := [unit.size | some unit in units]
}
