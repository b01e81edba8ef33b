package io.konveyor.forklift.ovirt_test

import rego.v1

test_illegal_images_fires if "ovirt.disk.illegal_images.detected" in ids({"name": "web", "hasIllegalImages": true})

test_illegal_images_is_quiet if not "ovirt.disk.illegal_images.detected" in ids({"name": "web", "hasIllegalImages": false})
