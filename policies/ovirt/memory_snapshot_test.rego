package io.konveyor.forklift.ovirt_test

import rego.v1

test_memory_snapshot_fires if "ovirt.snapshot.online_memory.detected" in ids({"name": "web", "snapshots": [{"persistMemory": true}]})

test_memory_snapshot_is_quiet if not "ovirt.snapshot.online_memory.detected" in ids({"name": "web", "snapshots": [{"persistMemory": false}]})
