package io.konveyor.forklift.hyperv_test

import rego.v1

test_integration_services_fires_1 if "hyperv.integration_services.not_detected" in ids({"name": "web", "powerState": "On"})

test_integration_services_fires_2 if "hyperv.integration_services.not_detected" in ids({"name": "web", "powerState": "On", "guestOS": ""})

test_integration_services_is_quiet_1 if not "hyperv.integration_services.not_detected" in ids({"name": "web", "powerState": "On", "guestOS": "Windows Server 2022"})

test_integration_services_is_quiet_2 if not "hyperv.integration_services.not_detected" in ids({"name": "web", "powerState": "Off"})
