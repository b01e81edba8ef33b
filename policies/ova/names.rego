# What stands under two names: the inventory's and the one that users' rules know.
package io.konveyor.forklift.ova

import rego.v1

capacities(disk) := {disk[key] | some key in {"Capacity", "capacity"}}

origins := {input[key] | some key in {"exportSource", "ovaSource"}}
