# What the tests of this folder ask: which concerns does a machine raise?
package io.konveyor.forklift.ova_test

import data.io.konveyor.forklift.ova
import rego.v1

ids(machine) := found if {
	found := {concern.id | some concern in ova.concerns} with input as machine
}

test_a_machine_with_nothing_but_a_name_is_fine if ids({"name": "web"}) == set()

test_a_machine_without_a_name_is_an_error if {
	ova.validate.errors == {"No VM name found in input body"} with input as {}
	ova.validate.errors == {"No VM name found in input body"} with input as {"name": 3}
}

test_the_answer_has_its_three_parts if {
	object.keys(ova.validate) == {"rules_version", "errors", "concerns"} with input as {"name": "web"}
}
