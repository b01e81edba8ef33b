package io.konveyor.forklift.vmware_test

import rego.v1

test_usb_fires if "vmware.usb_controller.detected" in ids({"name": "web", "devices": [{"kind": "VirtualUSBController"}]})

test_usb_is_quiet if not "vmware.usb_controller.detected" in ids({"name": "web", "devices": [{"kind": "VirtualVmxnet3"}]})
