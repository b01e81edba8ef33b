#!/bin/sh
# Go templates and the query language: their cases, the commands that run them, and their limits.
. "$(dirname "$0")/functions.sh"
gantry=$bin/gantry

all_template_cases_pass() {
    [ -d "$shared_dir" ] || {
        echo "no shared reference data beside the project"
        return 0
    }
    "$bin/template-cases" --skip "$source_root/tests/template-cases.skip" \
        "$shared_dir/conformance/gotemplate/cases.json"
}

all_query_cases_pass() {
    "$bin/tsl-cases" --skip "$source_root/tests/tsl-cases.skip" "$source_root/tests/cases/tsl"
}

strict_mode_answers_as_the_old_tool() {
    "$bin/tsl-cases" --strict --skip "$source_root/tests/tsl-cases.skip" \
        "$source_root/tests/cases/tsl"
}

a_failing_case_fails_the_run() {
    cat >"$work/bad.json" <<'END'
{"record": {"a": 1}, "expressions": [{"row": 1, "query": "a = 1", "want": false}]}
END
    if "$bin/tsl-cases" "$work/bad.json" >"$work/out"; then
        return 1
    fi
    grep -q '^FAIL .*bad.json: 1: a = 1' "$work/out"
    [ "$(tail -n 1 "$work/out")" = "0 passed, 1 failed, 0 skipped" ]
    cat >"$work/bad.json" <<'END'
{"cases": [{"id": "t1", "kind": "map", "template": "{{.a}}", "data": {"a": 1}, "want": "2"}]}
END
    if "$bin/template-cases" "$work/bad.json" >"$work/out"; then
        return 1
    fi
    grep -q '^FAIL .*bad.json: t1: {{.a}}' "$work/out"
}

a_skip_needs_a_reason() {
    for tool in rego-cases template-cases tsl-cases; do
        printf 'map\n' >"$work/skip"
        if "$bin/$tool" --skip "$work/skip" "$work" 2>"$work/err"; then
            return 1
        fi
        grep -q "^$tool: .*\"map\" is skipped without a reason" "$work/err"
    done
    printf 'map\tan example\n' >"$work/skip"
    "$bin/template-cases" --skip "$work/skip" "$work/bad.json" >"$work/out"
    [ "$(tail -n 1 "$work/out")" = "0 passed, 0 failed, 1 skipped" ]
}

template_prints_a_name() {
    echo 'VmName: Web-Server-01' >"$work/data.yaml"
    "$gantry" template '{{.VmName | lower | trunc 3}}' --data "$work/data.yaml" >"$work/out"
    [ "$(cat "$work/out")" = web ]
    if "$gantry" template '{{.Nope}}' --data "$work/data.yaml" 2>"$work/err"; then
        return 1
    fi
    grep -q 'template, line 1, column 4: there is no field Nope' "$work/err"
    tail -n 1 "$work/err" | grep -q '^ *\^$'
}

query_selects_rows() {
    echo '[{"name": "web", "mem": 4}, {"name": "db", "mem": 8}]' >"$work/rows.json"
    "$gantry" query 'select name, mem * 2 as twice where mem > 1 order by mem desc limit 1' \
        --data "$work/rows.json" >"$work/out"
    printf 'name\ttwice\ndb\t16\n' | diff - "$work/out"
    "$gantry" query 'name = "web"' <"$work/rows.json" | grep -q '"mem": 4'
    "$gantry" query 'mem/2 = 2' --data "$work/rows.json" 2>"$work/err" | grep -qx '\[\]'
    grep -q '"mem/2" is one name; write spaces around the "/"' "$work/err"
    "$gantry" query 'a/b is not null' --data "$work/rows.json" 2>"$work/err" | grep -qx '\[\]'
    [ ! -s "$work/err" ]
    if "$gantry" query 'name = web-01' --data "$work/rows.json" 2>"$work/err"; then
        return 1
    fi
    grep -q 'quote text' "$work/err"
    tail -n 1 "$work/err" | grep -q '^ *\^$'
}

# refuses PATTERN COMMAND...: the command fails within a minute and says so.
refuses() {
    pattern=$1
    shift
    if timeout 60 "$@" >"$work/out" 2>"$work/err"; then
        echo "not refused: $*" | cut -c 1-200
        return 1
    fi
    grep -q "$pattern" "$work/err" || {
        cut -c 1-300 "$work/err"
        return 1
    }
}

hostile_templates_stop() {
    python3 -c 'print({"l": [1] * 100})' | tr "'" '"' >"$work/data.json"
    set -- --data "$work/data.json"
    refuses 'call each other more than 60 deep' "$gantry" template \
        '{{define "a"}}{{template "a" .}}{{end}}{{template "a" .}}' "$@"
    refuses 'more than 1000000 steps' "$gantry" template \
        '{{range .l}}{{range $.l}}{{range $.l}}{{range $.l}}x{{end}}{{end}}{{end}}{{end}}' "$@"
    refuses 'bytes of output\|bytes of memory' "$gantry" template \
        '{{range .l}}{{repeat 100000 "x"}}{{end}}' "$@"
    refuses 'more than 1000000 steps' "$gantry" template \
        '{{mustRegexReplaceAll "(x+x+)+y|x" (repeat 100000 "x") "z"}}' "$@"
    refuses 'repeat would make more' "$gantry" template '{{repeat 1000000000 "x"}}' "$@"
    refuses 'not a number: "9\{30\}"' "$gantry" template \
        '{{ 999999999999999999999999999999 }}' "$@"
    refuses 'nested\|deep' "$gantry" template "$(python3 -c 'print("{{" + "(" * 100 + "1" + ")" * 100 + "}}")')" "$@"
    refuses 'more than 65536 bytes' "$gantry" template "$(python3 -c 'print("x" * 70000)')" "$@"
}

hostile_queries_stop() {
    echo '[{"name": "web", "a": 1}]' >"$work/rows.json"
    set -- --data "$work/rows.json"
    refuses '"web": query, .*too many steps for one row' "$gantry" query "$(python3 -c '
print("select a+a as c0, " + ", ".join("c%d+c%d as c%d" % (i, i, i + 1) for i in range(60)) + " where c60 > 1")')" "$@"
    refuses 'too many operators in a row' "$gantry" query \
        "$(python3 -c 'print("a = 2" + " or a = 2" * 6000)')" "$@"
    refuses 'nested too deeply' "$gantry" query "$(python3 -c 'print("(" * 300 + "a" + ")" * 300)')" "$@"
    refuses 'more than 65536 bytes' "$gantry" query "$(python3 -c 'print("a" * 70000)')" "$@"
    refuses 'not a number' "$gantry" query 'a = 1e999' "$@"
    refuses 'too many digits' "$gantry" query "a = $(python3 -c 'print("9" * 100)')" "$@"
    refuses 'not valid UTF-8' "$gantry" query "$(printf 'name = "\377"')" "$@"
    "$gantry" query "$(python3 -c 'print("a = 2" + " or a = 2" * 4900)')" "$@" >"$work/out"
}

too_much_data_is_refused() {
    python3 -c 'print("[\"" + "x" * 100000000 + "\"]")' >"$work/big.json"
    refuses 'big.json' "$gantry" query 'a = 1' --data "$work/big.json"
    refuses 'big.json' "$gantry" template x --data "$work/big.json"
    rm "$work/big.json"
    python3 -c 'print("[" * 5000 + "]" * 5000)' >"$work/deep.json"
    refuses 'deep.json' "$gantry" query 'a = 1' --data "$work/deep.json"
    printf '[{"name": "\377"}]' >"$work/wrong.json"
    refuses 'wrong.json' "$gantry" query 'a = 1' --data "$work/wrong.json"
}

plan 10
it "all shared template cases pass" all_template_cases_pass
it "all cases of the query table pass" all_query_cases_pass
it "strict mode answers as the old tool" strict_mode_answers_as_the_old_tool
it "a failing case fails the run" a_failing_case_fails_the_run
it "a skip needs a reason" a_skip_needs_a_reason
it "template prints a name" template_prints_a_name
it "query selects rows" query_selects_rows
it "hostile templates stop" hostile_templates_stop
it "hostile queries stop" hostile_queries_stop
it "too much data is refused" too_much_data_is_refused
finish
