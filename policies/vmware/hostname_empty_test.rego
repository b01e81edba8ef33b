package io.konveyor.forklift.vmware_test

import rego.v1

test_hostname_empty_fires if "vmware.hostname.empty" in ids({"name": "web", "hostName": ""})

test_hostname_empty_is_quiet if not "vmware.hostname.empty" in ids({"name": "web", "hostName": "web"})
