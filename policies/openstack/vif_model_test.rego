package io.konveyor.forklift.openstack_test

import rego.v1

test_vif_model_fires if "openstack.network.vif_model.unsupported" in ids({"name": "web", "image": {"properties": {"hw_vif_model": "vmxnet3"}}})

test_vif_model_is_quiet_1 if not "openstack.network.vif_model.unsupported" in ids({"name": "web", "image": {"properties": {"hw_vif_model": "virtio"}}})

test_vif_model_is_quiet_2 if not "openstack.network.vif_model.unsupported" in ids({"name": "web", "image": {"properties": {}}})
