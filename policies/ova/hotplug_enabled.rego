# Any of the three switches.
package io.konveyor.forklift.ova

import rego.v1

hotplug_enabled if input.cpuHotAddEnabled == true

hotplug_enabled if input.cpuHotRemoveEnabled == true

hotplug_enabled if input.memoryHotAddEnabled == true
