package io.konveyor.forklift.openstack_test

import rego.v1

test_guest_os_fires_1 if "openstack.os.unsupported" in ids({"name": "web", "image": {"properties": {"os_distro": "rhel", "os_version": "6.10"}}})

test_guest_os_fires_2 if "openstack.os.unsupported" in ids({"name": "web", "image": {"properties": {"os_distro": "debian", "os_version": "12"}}})

test_guest_os_is_quiet_1 if not "openstack.os.unsupported" in ids({"name": "web", "image": {"properties": {"os_distro": "rhel", "os_version": "9.2"}}})

test_guest_os_is_quiet_2 if not "openstack.os.unsupported" in ids({"name": "web", "image": {"properties": {"os_distro": "windows", "os_version": "2k19"}}})

test_guest_os_is_quiet_3 if not "openstack.os.unsupported" in ids({"name": "web", "image": {"properties": {"os_distro": "fedora", "os_version": "37"}}})

test_guest_os_is_quiet_4 if not "openstack.os.unsupported" in ids({"name": "web", "image": {"properties": {"os_distro": "debian"}}})
