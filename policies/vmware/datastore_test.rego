package io.konveyor.forklift.vmware_test

import rego.v1

test_datastore_fires if "vmware.datastore.missing" in ids({"name": "web", "disks": [{"datastore": {"id": ""}}]})

test_datastore_is_quiet_1 if not "vmware.datastore.missing" in ids({"name": "web", "disks": [{"datastore": {"id": "datastore-1"}}]})

test_datastore_is_quiet_2 if not "vmware.datastore.missing" in ids({"name": "web", "disks": []})
