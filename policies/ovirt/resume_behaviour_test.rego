package io.konveyor.forklift.ovirt_test

import rego.v1

test_resume_behaviour_fires if "ovirt.storage.resume_behavior.unsupported" in ids({"name": "web", "storageErrorResumeBehaviour": "kill"})

test_resume_behaviour_is_quiet if not "ovirt.storage.resume_behavior.unsupported" in ids({"name": "web", "storageErrorResumeBehaviour": "auto_resume"})
