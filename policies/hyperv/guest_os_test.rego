package io.konveyor.forklift.hyperv_test

import rego.v1

test_guest_os_fires if "hyperv.os.unsupported" in ids({"name": "web", "guestOS": "Solaris 11"})

test_guest_os_is_quiet_1 if not "hyperv.os.unsupported" in ids({"name": "web", "guestOS": "Windows Server 2022 Datacenter"})

test_guest_os_is_quiet_2 if not "hyperv.os.unsupported" in ids({"name": "web", "guestOS": ""})
