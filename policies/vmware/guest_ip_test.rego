package io.konveyor.forklift.vmware_test

import rego.v1

test_guest_ip_fires if "vmware.vm_missing_ip.detected" in ids({"name": "web", "guestNetworks": []})

test_guest_ip_is_quiet if not "vmware.vm_missing_ip.detected" in ids({"name": "web", "guestNetworks": [{"ip": "10.0.0.1"}]})
