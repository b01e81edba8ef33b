package io.konveyor.forklift.hyperv_test

import rego.v1

test_smb_path_fires_1 if "hyperv.disk.smb_path.missing" in ids({"name": "web", "disks": [{"name": "a"}]})

test_smb_path_fires_2 if "hyperv.disk.smb_path.missing" in ids({"name": "web", "disks": [{"name": "a", "smbPath": ""}]})

test_smb_path_is_quiet if not "hyperv.disk.smb_path.missing" in ids({"name": "web", "disks": [{"name": "a", "smbPath": "vm/a.vhdx"}]})
