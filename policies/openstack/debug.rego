# Says that a policy was asked; useful with a trace.
package io.konveyor.forklift.openstack

import rego.v1

debug if trace(sprintf("validating %v", [object.get(input, "name", "a machine without a name")]))
