package io.konveyor.forklift.ovirt_test

import rego.v1

test_tpm_fires_1 if "ovirt.tpm.required_by_os" in ids({"name": "web", "osType": "windows_2022"})

test_tpm_fires_2 if "ovirt.tpm.required_by_os" in ids({"name": "web", "osType": "windows_11"})

test_tpm_is_quiet if not "ovirt.tpm.required_by_os" in ids({"name": "web", "osType": "windows_2019x64"})
