# The document that the Validation service answers with.
package io.konveyor.forklift.openstack

import rego.v1

validate := {
	"rules_version": rules_version.rules_version,
	"errors": errors,
	"concerns": concerns,
}

errors contains message if {
	not is_string(object.get(input, "name", null))
	message := "No VM name found in input body"
}
