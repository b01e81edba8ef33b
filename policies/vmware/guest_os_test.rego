package io.konveyor.forklift.vmware_test

import rego.v1

test_guest_os_fires_1 if "vmware.os.unsupported" in ids({"name": "web", "guestId": "solaris11_64Guest"})

test_guest_os_fires_2 if "vmware.os.unsupported" in ids({"name": "web", "guestNameFromVmwareTools": "FreeBSD 13"})

test_guest_os_fires_3 if "vmware.os.unsupported" in ids({"name": "web", "guestName": "Solaris 11", "guestNameFromVmwareTools": ""})

test_guest_os_is_quiet_1 if not "vmware.os.unsupported" in ids({"name": "web", "guestId": "rhel9_64Guest"})

test_guest_os_is_quiet_2 if not "vmware.os.unsupported" in ids({"name": "web", "guestId": "windows2022srvNext_64Guest"})

test_guest_os_is_quiet_3 if not "vmware.os.unsupported" in ids({"name": "web", "guestId": "other", "guestNameFromVmwareTools": "Red Hat Enterprise Linux 8 (64-bit)"})

test_guest_os_is_quiet_4 if not "vmware.os.unsupported" in ids({"name": "web", "guestName": "Microsoft Windows Server 2019", "guestNameFromVmwareTools": ""})
