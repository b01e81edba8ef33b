package io.konveyor.forklift.vmware_test

import rego.v1

test_snapshot_fires if "vmware.snapshot.detected" in ids({"name": "web", "snapshot": {"kind": "VirtualMachineSnapshot", "id": "snapshot-1"}})

test_snapshot_is_quiet if not "vmware.snapshot.detected" in ids({"name": "web", "snapshot": {"kind": "", "id": ""}})
