package io.konveyor.forklift.ovirt_test

import rego.v1

test_watchdog_fires if "ovirt.watchdog.enabled" in ids({"name": "web", "watchDogs": [{"model": "i6300esb"}]})

test_watchdog_is_quiet if not "ovirt.watchdog.enabled" in ids({"name": "web", "watchDogs": []})
