package io.konveyor.forklift.vmware_test

import rego.v1

test_disk_serial_fires if "vmware.disk_serial.truncated" in ids({"name": "web", "diskEnableUuid": true, "disks": [{"bus": "scsi"}]})

test_disk_serial_is_quiet_1 if not "vmware.disk_serial.truncated" in ids({"name": "web", "diskEnableUuid": false, "disks": [{"bus": "scsi"}]})

test_disk_serial_is_quiet_2 if not "vmware.disk_serial.truncated" in ids({"name": "web", "diskEnableUuid": true, "disks": [{"bus": "sata"}]})
