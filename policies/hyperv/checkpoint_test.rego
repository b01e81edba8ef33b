package io.konveyor.forklift.hyperv_test

import rego.v1

test_checkpoint_fires if "hyperv.checkpoint.detected" in ids({"name": "web", "hasCheckpoint": true})

test_checkpoint_is_quiet if not "hyperv.checkpoint.detected" in ids({"name": "web", "hasCheckpoint": false})
