# Raised when a rule changes; the service counts changes of users' rules in data.gantry.revision.
package io.konveyor.forklift.openstack

import rego.v1

default revision := 0

revision := data.gantry.revision

rules_version := {"rules_version": 6 + revision}
