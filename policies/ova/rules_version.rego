# Raised when a rule changes; the service adds a number of its own for users' rules.
package io.konveyor.forklift.ova

import rego.v1

rules_version := {"rules_version": 5}
