package io.konveyor.forklift.vmware_test

import rego.v1

test_independent_disk_fires_1 if "vmware.disk_mode.independent" in ids({"name": "web", "disks": [{"mode": "independent_persistent"}]})

test_independent_disk_fires_2 if "vmware.disk_mode.independent" in ids({"name": "web", "disks": [{"mode": "independent_nonpersistent"}]})

test_independent_disk_is_quiet if not "vmware.disk_mode.independent" in ids({"name": "web", "disks": [{"mode": "persistent"}]})
