#!/bin/sh
# gantry policy: the default rules and their tests, and what the command says.
. "$(dirname "$0")/functions.sh"
gantry=$bin/gantry

default_rules_pass_their_tests() {
    "$gantry" policy test "$source_root/policies" >"$work/out"
    grep -Eq '^PASS: ([0-9]+)/\1$' "$work/out"
}

every_rule_has_a_test() {
    for rule in "$source_root"/policies/*/*.rego; do
        case $rule in *_test.rego) continue ;; esac
        grep -q '^concerns contains' "$rule" || continue
        test=${rule%.rego}_test.rego
        grep -q '_fires' "$test" && grep -q '_is_quiet' "$test"
    done
}

default_rules_are_laid_out() {
    "$gantry" policy fmt --check "$source_root"/policies/*/*.rego
}

fmt_gives_what_it_accepts() {
    printf 'package a\nimport rego.v1\n\n\n\np  if{\n  x:=[1,2 ][_]\n\n# why\n    x>1}\n' >"$work/a.rego"
    "$gantry" policy fmt "$work/a.rego" >"$work/b.rego"
    printf 'package a\nimport rego.v1\n\np if{\n\tx := [1, 2][_]\n\n\t# why\n\tx > 1}\n' >"$work/want"
    diff "$work/want" "$work/b.rego"
    "$gantry" policy fmt --check "$work/b.rego"
}

a_failing_test_fails_the_run() {
    printf 'package a\nimport rego.v1\ntest_a if 1 == 1\ntest_b if 1 == 2\n' >"$work/t.rego"
    if "$gantry" policy test "$work/t.rego" >"$work/out"; then
        return 1
    fi
    grep -q '^data.a.test_b: FAIL' "$work/out"
    [ "$(tail -n 1 "$work/out")" = "PASS: 1/2" ]
    "$gantry" policy test --run 'test_a$' "$work/t.rego" >"$work/out"
    [ "$(tail -n 1 "$work/out")" = "PASS: 1/1" ]
}

an_error_has_its_place() {
    printf 'package a\nimport rego.v1\np if {\n\tx > 1\n}\n' >"$work/bad.rego"
    if "$gantry" policy check "$work/bad.rego" 2>"$work/err"; then
        return 1
    fi
    grep -q 'bad.rego:4:2: rego_unsafe_var_error: var x is unsafe' "$work/err"
    tail -n 1 "$work/err" | grep -q '\^$'
}

eval_answers_like_the_data_api() {
    printf '{"name": "web", "tpmEnabled": true}' >"$work/vm.json"
    "$gantry" policy eval -i "$work/vm.json" data.io.konveyor.forklift.vmware.validate >"$work/out"
    grep -q '^{"result":{"concerns":\[{"assessment":' "$work/out"
    [ "$("$gantry" policy eval 'data.nothing.here')" = '{}' ]
    [ "$("$gantry" policy eval '1 + 1')" = '{"result":2}' ]
    [ "$("$gantry" policy eval 'x = [1, 2][_]')" = '{"bindings":[{"x":1},{"x":2}]}' ]
}

explain_names_rule_and_field() {
    printf '{"name": "web", "tpmEnabled": true}' >"$work/vm.json"
    "$gantry" policy explain -i "$work/vm.json" >"$work/out"
    grep -q '^Warning: TPM detected' "$work/out"
    grep -q 'rule policies/vmware/tpm.rego:6 because of' "$work/out"
    grep -q 'input.tpmEnabled = true' "$work/out"
}

both_versions_share_a_package() {
    printf 'package a\nconcerns[x] { x := "old" }\n' >"$work/old.rego"
    printf 'package a\nimport rego.v1\nconcerns contains "new" if true\n' >"$work/new.rego"
    [ "$("$gantry" policy eval -d "$work/old.rego" -d "$work/new.rego" data.a.concerns)" = \
        '{"result":["new","old"]}' ]
}

an_exponential_policy_stops() {
    printf 'package a\nimport rego.v1\np if {\n\tn := numbers.range(1, 2000)\n\ta := n[_]\n\tb := n[_]\n\tc := n[_]\n\ta + b + c < 0\n}\n' >"$work/slow.rego"
    if timeout 60 "$gantry" policy eval -d "$work/slow.rego" data.a.p 2>"$work/err"; then
        return 1
    fi
    grep -q 'eval_budget_error: rule p: the evaluation has used up its' "$work/err"
}

the_table_of_the_rules_is_fresh() {
    "$bin/policy-table" >"$work/table" || return 1
    diff "$source_root/doc/policies.md" "$work/table" ||
        fail "make it again: build/src/main/policy-table > doc/policies.md"
}

# The specification has a table for each provider: ids and categories must be ours, all of them.
every_rule_of_the_specification_is_there() {
    [ -f "$shared_dir/specs/forklift-inventory.md" ] || skip "no shared specification"
    python3 - "$shared_dir/specs/forklift-inventory.md" "$source_root/doc/policies.md" <<'PY'
import re, sys
letters = {"W": "Warning", "C": "Critical", "I": "Information"}
providers = ("vmware", "ovirt", "openstack", "ova", "hyperv")
wanted, provider = set(), None
spec = open(sys.argv[1], encoding="utf-8").read()
section = spec[spec.index("### 3.3"):spec.index("## 4. ")]
for line in section.splitlines():
    if line.rstrip(":") in providers:
        provider = line.rstrip(":")
    cells = [c.strip() for c in line.strip("|").split(" | ")]
    if provider is None or not line.startswith("| ") or "` +)" in line:
        continue
    at = 1 if provider == "vmware" else 0
    if cells[at + 1] in letters:
        wanted.add((provider + "." + cells[at], letters[cells[at + 1]]))
ours = set(re.findall(r"\| `([a-zA-Z_.]+)` \| (\w+) \|", open(sys.argv[2], encoding="utf-8").read()))
for row in sorted(wanted - ours):
    print("missing:", *row)
for row in sorted(ours - wanted):
    print("not in the specification:", *row)
print(len(wanted), "rules wanted,", len(ours), "there")
sys.exit(wanted != ours or len(wanted) < 102)
PY
}

plan 12
it "the default rules pass their tests" default_rules_pass_their_tests
it "every rule has a test of firing and one of not firing" every_rule_has_a_test
it "the default rules are laid out" default_rules_are_laid_out
it "fmt gives what it accepts" fmt_gives_what_it_accepts
it "a failing test fails the run" a_failing_test_fails_the_run
it "an error has its place" an_error_has_its_place
it "eval answers like the data API" eval_answers_like_the_data_api
it "the table of the rules is fresh" the_table_of_the_rules_is_fresh
it "every rule of the specification is there" every_rule_of_the_specification_is_there
it "explain names rule and field" explain_names_rule_and_field
it "both versions share a package" both_versions_share_a_package
it "an exponential policy stops" an_exponential_policy_stops
finish
