package io.konveyor.forklift.vmware_test

import rego.v1

test_change_tracking_per_disk_fires if "vmware.changed_block_tracking.disk.disabled" in ids({"name": "web", "disks": [{"file": "[ds] a.vmdk", "bus": "scsi", "controllerKey": 1000, "unitNumber": 1, "changeTrackingEnabled": false}]})

test_change_tracking_per_disk_is_quiet_1 if not "vmware.changed_block_tracking.disk.disabled" in ids({"name": "web", "disks": [{"file": "[ds] a.vmdk", "bus": "scsi", "controllerKey": 1000, "unitNumber": 1, "changeTrackingEnabled": true}]})

test_change_tracking_per_disk_is_quiet_2 if not "vmware.changed_block_tracking.disk.disabled" in ids({"name": "web", "disks": [{"changeTrackingEnabled": false}]})
