package io.konveyor.forklift.ovirt_test

import rego.v1

test_placement_fires if "ovirt.placement_policy.affinity_set" in ids({"name": "web", "placementPolicyAffinity": "migratable"})

test_placement_is_quiet if not "ovirt.placement_policy.affinity_set" in ids({"name": "web", "placementPolicyAffinity": "user_migratable"})
