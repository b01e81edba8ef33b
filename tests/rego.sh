#!/bin/sh
# Policy sets as users write them: the documentation's samples, many files, tests with replaced inputs.
. "$(dirname "$0")/functions.sh"
gantry=$bin/gantry
vmware=data.io.konveyor.forklift.vmware

documented_samples_run_unmodified() {
    seed=$(grep -ls '^has_drs_enabled {' "$shared_dir"/seeds/*.txt | head -n 1)
    [ -n "$seed" ] || {
        echo "no documentation beside the project"
        return 0
    }
    # the sample stands between its package and the "}where:" of the text behind it
    awk '/^package io.konveyor.forklift.vmware$/ {on = 1}
         on {sub(/^}where:.*/, "}"); print}
         on && /^}$/ && seen {exit} on && /^flag :=/ {inner = 1} inner && /^}$/ {seen = 1}' \
        "$seed" >"$work/drs.rego"
    grep -q drsEnabled "$work/drs.rego"
    "$gantry" policy check "$work/drs.rego" "$source_root/policies"
    echo '{"host": {"cluster": {"drsEnabled": true}}}' >"$work/vm.json"
    "$gantry" policy eval -d "$work/drs.rego" -i "$work/vm.json" $vmware.concerns >"$work/out"
    grep -q '"label":"VM running in a DRS-enabled cluster"' "$work/out"
    echo '{"host": {"cluster": {"drsEnabled": false}}}' >"$work/vm.json"
    [ "$("$gantry" policy eval -d "$work/drs.rego" -i "$work/vm.json" $vmware.concerns)" = \
        '{"result":[]}' ]
    # the other sample, one line of a ConfigMap
    sed -n 's/.*vmware_multiple_disks.rego: |- package <provider_package> \(has_multiple_disks {.*} }\) EOF.*/package io.konveyor.forklift.vmware\n\1/p' \
        "$seed" | sed 's/ concerns\[/\nconcerns[/; s/ flag := {/\n flag := {/; s/count(input.disks) > 1 }/\ncount(input.disks) > 1\n}/' \
        >"$work/disks.rego"
    grep -q has_multiple_disks "$work/disks.rego"
    echo '{"disks": [1, 2]}' >"$work/vm.json"
    "$gantry" policy eval -d "$work/disks.rego" -i "$work/vm.json" $vmware.concerns >"$work/out"
    grep -q '"label":"Multiple disks detected"' "$work/out"
}

both_versions_and_keywords_stand_in_one_package() {
    mkdir "$work/mixed"
    printf 'package m\nconcerns[x] { x := "v0"; input.on }\n' >"$work/mixed/a.rego"
    printf 'package m\nimport future.keywords\nconcerns contains x if { some x in ["keywords"]; input.on }\n' \
        >"$work/mixed/b.rego"
    printf 'package m\nimport rego.v1\nconcerns contains "import" if input.on\n' >"$work/mixed/c.rego"
    printf 'package m\nconcerns contains "v1" if input.on\n' >"$work/mixed/d.rego"
    echo '{"on": true}' >"$work/on.json"
    [ "$("$gantry" policy eval -d "$work/mixed" -i "$work/on.json" data.m.concerns)" = \
        '{"result":["import","keywords","v0","v1"]}' ]
}

hundreds_of_files_make_one_package() {
    mkdir "$work/many"
    for i in $(seq 300); do
        printf 'package io.konveyor.forklift.vmware\n\nconcerns[flag] {\n\tinput.n >= %d\n\tflag := {"id": "u%d"}\n}\n\ntest_%d {\n\tconcerns[{"id": "u%d"}] with input as {"n": %d}\n}\n' \
            "$i" "$i" "$i" "$i" "$i" >"$work/many/rule$i.rego"
    done
    echo '{"n": 250}' >"$work/n.json"
    "$gantry" policy eval -d "$work/many" -i "$work/n.json" "count($vmware.concerns)" >"$work/out"
    [ "$(cat "$work/out")" = '{"result":250}' ]
    "$gantry" policy list -d "$work/many" >"$work/out"
    [ "$(grep -c "$vmware.concerns .*many/rule" "$work/out")" = 300 ]
    "$gantry" policy test "$work/many" >"$work/out"
    [ "$(tail -n 1 "$work/out")" = "PASS: 300/300" ]
}

tests_replace_input_data_and_functions() {
    cat >"$work/with_test.rego" <<'END'
package w

import rego.v1

allow if {
	input.user in data.users
	time.now_ns() > 5
}

test_input if allow with input as {"user": "a"} with data.users as ["a"] with time.now_ns as 9

test_part if allow with input.user as "b" with data.users as ["b"]

test_time if not allow with input.user as "a" with data.users as ["a"] with time.now_ns as 1

todo_test_later if false
END
    "$gantry" policy test -v --coverage "$work/with_test.rego" >"$work/out"
    grep -q '^data.w.test_input: PASS (' "$work/out"
    grep -q '^data.w.todo_test_later: SKIPPED' "$work/out"
    grep -q '^ *[0-9.]* %  of [0-9]* expressions' "$work/out"
    [ "$(tail -n 1 "$work/out")" = "PASS: 3/3" ]
    printf 'package w\nimport rego.v1\ntest_error if {\n\tx := numbers.range(1, 100000)\n\tx[_] + x[_] + x[_] < 0\n}\n' \
        >"$work/slow_test.rego"
    if "$gantry" policy test "$work/slow_test.rego" >"$work/out"; then
        return 1
    fi
    grep -q '^data.w.test_error: ERROR' "$work/out"
    grep -q 'rule test_error: the evaluation has used up its' "$work/out"
    [ "$(tail -n 1 "$work/out")" = "PASS: 0/1" ]
}

wrong_use_has_its_exit_code() {
    for line in "eval" "test" "eval -f xml 1" "bench" "list x" "nonsense"; do
        # shellcheck disable=SC2086
        "$gantry" policy $line >/dev/null 2>&1 && return 1
        # shellcheck disable=SC2086
        "$gantry" policy $line >/dev/null 2>&1 || [ $? = 2 ] || return 1
    done
    for line in "eval data.a.b[" "check $work/none.rego" "test $work/none.rego"; do
        # shellcheck disable=SC2086
        "$gantry" policy $line >/dev/null 2>&1 || [ $? = 1 ] || return 1
    done
}

a_large_input_is_refused() {
    python3 -c 'print("\"" + "x" * 99000000 + "\"")' >"$work/big.json"
    if "$gantry" policy eval -i "$work/big.json" input 2>"$work/err"; then
        return 1
    fi
    rm "$work/big.json"
    grep -q 'the limit is 67108864' "$work/err"
}

plan 6
it "documented samples run unmodified" documented_samples_run_unmodified
it "both versions and keywords stand in one package" both_versions_and_keywords_stand_in_one_package
it "hundreds of files make one package" hundreds_of_files_make_one_package
it "tests replace input, data and functions" tests_replace_input_data_and_functions
it "wrong use has its exit code" wrong_use_has_its_exit_code
it "a large input is refused" a_large_input_is_refused
finish
