package io.konveyor.forklift.hyperv_test

import rego.v1

test_guest_ip_fires if "hyperv.vm_missing_ip.detected" in ids({"name": "web", "guestNetworks": []})

test_guest_ip_is_quiet if not "hyperv.vm_missing_ip.detected" in ids({"name": "web", "guestNetworks": [{"ip": "10.0.0.1"}]})
