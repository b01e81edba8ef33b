#!/usr/bin/env python3
"""The table of doc/kubectl.md, made of what tests/apiserver.sh found.

usage: table.py check|update RESULTS DOC

RESULTS has a line "ROW <tab> VERSION <tab> yes|no|has not" for each test.  "check" compares the columns of the
versions that were tried with the table between the two marks in DOC; "update" puts them there and
keeps the columns of the others.
"""
import sys

BEGIN, END = "<!-- made by tests/apiserver.sh: begin -->", "<!-- made by tests/apiserver.sh: end -->"


def cells(line):
    return [c.strip() for c in line.strip().strip("|").split("|")]


def read_table(text):
    """{row: {version: cell}} of the marked table."""
    lines = text.split(BEGIN)[1].split(END)[0].strip().splitlines()
    if len(lines) < 2:
        return {}
    versions = cells(lines[0])[1:]
    return {c[0].strip("`"): dict(zip(versions, c[1:])) for c in map(cells, lines[2:])}


def read_results(path):
    table = {}
    # several kubectls write at once: those of one are in order
    lines = sorted(open(path, encoding="utf-8"), key=lambda l: l.split("\t")[1])
    for line in lines:
        row, version, result = line.rstrip("\n").split("\t")
        table.setdefault(row, {})[version] = {"has not": "–"}.get(result, result)
    return table


def format_table(table, rows):
    versions = sorted({v for row in rows for v in table[row]}, key=lambda v: int(v.split(".")[1]))
    lines = ["| kubectl | %s |" % " | ".join(versions), "| --- |%s" % (" --- |" * len(versions))]
    for row in rows:
        found = [table[row].get(v, "not tried") for v in versions]
        lines.append("| %s | %s |" % (row, " | ".join(found)))
    return "\n".join(lines)


def check(old, new):
    wrong = []
    for row, found in new.items():
        for version, result in found.items():
            said = old.get(row, {}).get(version)
            if said is not None and said != result or row not in old:
                wrong.append("%s, %s: %s, the table says %s" % (row, version, result, said))
    wrong += ["%s: no test" % row for row in old if row not in new]
    print("\n".join(wrong))
    return 1 if wrong else 0


def main(what, results, doc):
    text, new = open(doc, encoding="utf-8").read(), read_results(results)
    old = read_table(text)
    if what == "check":
        return check(old, new)
    table = {row: {**old.get(row, {}), **new[row]} for row in new}
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    open(doc, "w", encoding="utf-8").write(
        before + BEGIN + "\n" + format_table(table, list(new)) + "\n" + END + after)
    return 0


sys.exit(main(*sys.argv[1:]))
