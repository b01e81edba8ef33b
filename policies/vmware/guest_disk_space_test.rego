package io.konveyor.forklift.vmware_test

import rego.v1

test_guest_disk_space_fires_1 if "vmware.guestDisks.freespace" in ids({"name": "web", "guestDisks": [{"path": "/", "freeSpace": 104857599}]})

test_guest_disk_space_fires_2 if "vmware.guestDisks.freespace" in ids({"name": "web", "guestDisks": [{"path": "/boot", "freeSpace": 52428799}]})

test_guest_disk_space_fires_3 if "vmware.guestDisks.freespace" in ids({"name": "web", "guestDisks": [{"path": "C:\\", "freeSpace": 104857599}]})

test_guest_disk_space_fires_4 if "vmware.guestDisks.freespace" in ids({"name": "web", "guestDisks": [{"path": "/home", "freeSpace": 10485759}]})

test_guest_disk_space_is_quiet if not "vmware.guestDisks.freespace" in ids({"name": "web", "guestDisks": [{"path": "/", "freeSpace": 104857600}, {"path": "/boot", "freeSpace": 52428800}, {"path": "c:", "freeSpace": 104857600}, {"path": "/home", "freeSpace": 10485760}]})
