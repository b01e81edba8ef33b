package io.konveyor.forklift.ovirt_test

import rego.v1

test_ha_reservation_fires if "ovirt.ha.reservation.enabled" in ids({"name": "web", "cluster": {"haReservation": true}})

test_ha_reservation_is_quiet if not "ovirt.ha.reservation.enabled" in ids({"name": "web", "cluster": {"haReservation": false}})
