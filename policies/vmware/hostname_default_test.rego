package io.konveyor.forklift.vmware_test

import rego.v1

test_hostname_default_fires if "vmware.hostname.default" in ids({"name": "web", "hostName": "localhost.localdomain"})

test_hostname_default_is_quiet if not "vmware.hostname.default" in ids({"name": "web", "hostName": "web"})
