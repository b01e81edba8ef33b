package io.konveyor.forklift.vmware_test

import rego.v1

test_hotplug_fires_1 if "vmware.cpu_memory.hotplug.enabled" in ids({"name": "web", "cpuHotAddEnabled": true})

test_hotplug_fires_2 if "vmware.cpu_memory.hotplug.enabled" in ids({"name": "web", "cpuHotRemoveEnabled": true})

test_hotplug_fires_3 if "vmware.cpu_memory.hotplug.enabled" in ids({"name": "web", "memoryHotAddEnabled": true})

test_hotplug_is_quiet if not "vmware.cpu_memory.hotplug.enabled" in ids({"name": "web", "cpuHotAddEnabled": false, "cpuHotRemoveEnabled": false, "memoryHotAddEnabled": false})
