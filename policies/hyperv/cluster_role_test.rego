package io.konveyor.forklift.hyperv_test

import rego.v1

test_cluster_role_fires_1 if "hyperv.cluster_role.not_registered" in ids({"name": "web", "managementType": "cluster", "isClusterRole": false})

test_cluster_role_fires_2 if "hyperv.cluster_role.not_registered" in ids({"name": "web", "managementType": "cluster"})

test_cluster_role_is_quiet_1 if not "hyperv.cluster_role.not_registered" in ids({"name": "web", "managementType": "cluster", "isClusterRole": true})

test_cluster_role_is_quiet_2 if not "hyperv.cluster_role.not_registered" in ids({"name": "web", "managementType": "standalone"})
