package io.konveyor.forklift.openstack_test

import rego.v1

test_floating_ips_fires if "openstack.network.floating_ips.detected" in ids({"name": "web", "addresses": {"net": [{"OS-EXT-IPS:type": "floating", "addr": "1.2.3.4"}]}})

test_floating_ips_is_quiet if not "openstack.network.floating_ips.detected" in ids({"name": "web", "addresses": {"net": [{"OS-EXT-IPS:type": "fixed"}]}})
