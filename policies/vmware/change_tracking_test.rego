package io.konveyor.forklift.vmware_test

import rego.v1

test_change_tracking_fires if "vmware.changed_block_tracking.disabled" in ids({"name": "web", "changeTrackingEnabled": false})

test_change_tracking_is_quiet_1 if not "vmware.changed_block_tracking.disabled" in ids({"name": "web", "changeTrackingEnabled": true})

test_change_tracking_is_quiet_2 if not "vmware.changed_block_tracking.disabled" in ids({"name": "web"})
