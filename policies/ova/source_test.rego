package io.konveyor.forklift.ova_test

import rego.v1

test_source_fires_1 if "ova.source.unsupported" in ids({"name": "web", "exportSource": "VirtualBox"})

test_source_fires_2 if "ova.source.unsupported" in ids({"name": "web", "ovaSource": "Unknown"})

test_source_is_quiet_1 if not "ova.source.unsupported" in ids({"name": "web", "exportSource": "VMware"})

test_source_is_quiet_2 if not "ova.source.unsupported" in ids({"name": "web", "ovaSource": "VMware"})

test_source_is_quiet_3 if not "ova.source.unsupported" in ids({"name": "web"})
