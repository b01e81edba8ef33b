# Settings that stand in the image or in the flavor.
package io.konveyor.forklift.openstack

import rego.v1

secure_boot if input.image.properties.os_secure_boot == "required"

secure_boot if input.flavor.extraSpecs["os:secure_boot"] == "required"

watchdog if input.flavor.extraSpecs["hw:watchdog_action"]

watchdog if input.image.properties.hw_watchdog_action
