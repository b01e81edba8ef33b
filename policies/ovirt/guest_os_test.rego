package io.konveyor.forklift.ovirt_test

import rego.v1

test_guest_os_fires_1 if "ovirt.os.unsupported" in ids({"name": "web", "osType": "rhel_6"})

test_guest_os_fires_2 if "ovirt.os.unsupported" in ids({"name": "web", "osType": "rhel_6x64"})

test_guest_os_is_quiet if not "ovirt.os.unsupported" in ids({"name": "web", "osType": "rhel_9x64"})
