package io.konveyor.forklift.ovirt_test

import rego.v1

test_usb_fires if "ovirt.usb.enabled" in ids({"name": "web", "usbEnabled": true})

test_usb_is_quiet if not "ovirt.usb.enabled" in ids({"name": "web", "usbEnabled": false})
