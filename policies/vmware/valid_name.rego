# Kubernetes' rule for names, with capital letters, which are lowered.
package io.konveyor.forklift.vmware

import rego.v1

valid_name if {
	regex.match(`^(([A-Za-z0-9][-A-Za-z0-9.]*)?[A-Za-z0-9])?$`, input.name)
	count(input.name) < 64
}
