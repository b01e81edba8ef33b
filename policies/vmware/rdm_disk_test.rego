package io.konveyor.forklift.vmware_test

import rego.v1

test_rdm_disk_fires if "vmware.disk.rdm.detected" in ids({"name": "web", "disks": [{"rdm": true}]})

test_rdm_disk_is_quiet if not "vmware.disk.rdm.detected" in ids({"name": "web", "disks": [{"rdm": false}]})
