#!/bin/sh
# Go templates and the query language: their cases, and the commands that run them.
. "$(dirname "$0")/functions.sh"

all_template_cases_pass() {
    [ -d "$shared_dir" ] || {
        echo "no shared reference data beside the project"
        return 0
    }
    "$bin/template-cases" "$shared_dir/conformance/gotemplate/cases.json"
}

all_query_cases_pass() {
    "$bin/tsl-cases" "$source_root/tests/cases/tsl/table.json"
}

a_failing_case_fails_the_run() {
    cat >"$work/bad.json" <<'END'
{"record": {"a": 1}, "expressions": [{"row": 1, "query": "a = 1", "want": false}]}
END
    if "$bin/tsl-cases" "$work/bad.json" >"$work/out"; then
        return 1
    fi
    grep -q '^FAIL 1: a = 1' "$work/out"
    [ "$(tail -n 1 "$work/out")" = "0 passed, 1 failed, 0 skipped" ]
}

template_prints_a_name() {
    echo 'VmName: Web-Server-01' >"$work/data.yaml"
    "$bin/gantry" template '{{.VmName | lower | trunc 3}}' --data "$work/data.yaml" >"$work/out"
    [ "$(cat "$work/out")" = web ]
    if "$bin/gantry" template '{{.Nope}}' --data "$work/data.yaml" 2>"$work/err"; then
        return 1
    fi
    grep -q 'template, line 1, column 4: there is no field Nope' "$work/err"
}

query_selects_rows() {
    echo '[{"name": "web", "mem": 4}, {"name": "db", "mem": 8}]' >"$work/rows.json"
    "$bin/gantry" query 'select name, mem * 2 as twice where mem > 1 order by mem desc limit 1' \
        --data "$work/rows.json" >"$work/out"
    printf 'name\ttwice\ndb\t16\n' | diff - "$work/out"
    "$bin/gantry" query 'name = "web"' <"$work/rows.json" | grep -q '"mem": 4'
    if "$bin/gantry" query 'name = web-01' --data "$work/rows.json" 2>"$work/err"; then
        return 1
    fi
    grep -q 'quote text' "$work/err"
}

plan 5
it "all shared template cases pass" all_template_cases_pass
it "all cases of the query table pass" all_query_cases_pass
it "a failing case fails the run" a_failing_case_fails_the_run
it "template prints a name" template_prints_a_name
it "query selects rows" query_selects_rows
finish
