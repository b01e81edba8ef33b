#!/bin/sh
# The Rego engine against the shared conformance cases, all but those in rego-cases.skip.
. "$(dirname "$0")/functions.sh"
skips=$source_root/tests/rego-cases.skip

all_cases_pass() {
    [ -d "$shared_dir" ] || skip "no shared reference data beside the project"
    "$bin/rego-cases" --skip "$skips" "$shared_dir/conformance/rego/cases"
}

our_own_cases_pass() {
    "$bin/rego-cases" "$source_root/tests/rego"
}

a_failing_case_fails_the_run() {
    cat >"$work/bad.json" <<'EOF'
{"cases": [{"note": "wrong", "query": "data.t.p = x", "modules": ["package t\n\np := 1\n"],
            "want_result": [{"x": 2}]}]}
EOF
    if "$bin/rego-cases" "$work/bad.json" >"$work/out"; then
        return 1
    fi
    grep -q '^FAIL .*bad.json: wrong: wants \[{"x":2}\], got \[{"x":1}\]' "$work/out"
    [ "$(tail -n 1 "$work/out")" = "0 passed, 1 failed, 0 skipped" ]
}

a_skip_needs_a_reason() {
    printf 'graphql\n' >"$work/skip"
    if "$bin/rego-cases" --skip "$work/skip" "$work" 2>"$work/err"; then
        return 1
    fi
    grep -q 'skipped without a reason' "$work/err"
}

plan 4
it "all shared cases pass" all_cases_pass
it "what traps users and engines" our_own_cases_pass
it "a failing case fails the run" a_failing_case_fails_the_run
it "a skip needs a reason" a_skip_needs_a_reason
finish
