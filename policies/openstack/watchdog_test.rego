package io.konveyor.forklift.openstack_test

import rego.v1

test_watchdog_fires_1 if "openstack.watchdog.detected" in ids({"name": "web", "flavor": {"extraSpecs": {"hw:watchdog_action": "reset"}}})

test_watchdog_fires_2 if "openstack.watchdog.detected" in ids({"name": "web", "image": {"properties": {"hw_watchdog_action": "poweroff"}}})

test_watchdog_is_quiet if not "openstack.watchdog.detected" in ids({"name": "web", "flavor": {"extraSpecs": {"other": "1"}}})
