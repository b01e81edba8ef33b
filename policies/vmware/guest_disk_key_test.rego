package io.konveyor.forklift.vmware_test

import rego.v1

test_guest_disk_key_fires_1 if "vmware.guestDisks.key.not_found" in ids({"name": "web", "guestId": "windows2019srv_64Guest", "guestDisks": [{"path": "C:\\", "key": 0}]})

test_guest_disk_key_fires_2 if "vmware.guestDisks.key.not_found" in ids({"name": "web", "guestId": "Windows", "guestDisks": [{"path": "C:\\"}]})

test_guest_disk_key_is_quiet_1 if not "vmware.guestDisks.key.not_found" in ids({"name": "web", "guestId": "windows2019srv_64Guest", "guestDisks": [{"path": "C:\\", "key": 2000}]})

test_guest_disk_key_is_quiet_2 if not "vmware.guestDisks.key.not_found" in ids({"name": "web", "guestId": "rhel9_64Guest", "guestDisks": [{"path": "/"}]})
