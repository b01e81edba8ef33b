package io.konveyor.forklift.vmware_test

import rego.v1

test_shared_disk_fires if "vmware.disk.shared.detected" in ids({"name": "web", "disks": [{"shared": true}]})

test_shared_disk_is_quiet if not "vmware.disk.shared.detected" in ids({"name": "web", "disks": [{"shared": false}]})
