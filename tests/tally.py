"""Counts the tests of a Meson run: one a TAP line, one a program without TAP.

Reads what Meson writes into LOGS: its JUnit file, and its own list of programs, which alone says that
one ended with an error though none of its tests failed (by too few or too many of them, or a signal).
Prints every failure and every skip with its reason, and ends with "N passed, N failed".  Exit status 1
if a test failed or none ran.
"""
import json
import os
import sys
import xml.etree.ElementTree as tree


def broken_programs(path):
    """The programs that Meson does not call well."""
    with open(path, encoding="utf-8", errors="replace") as lines:
        results = [json.loads(line) for line in lines if line.strip()]
    return [r["name"] for r in results if r["result"] in ("FAIL", "ERROR", "TIMEOUT", "INTERRUPT")]


def main(logs):
    passed, failed, skipped = 0, [], []
    for case in tree.parse(os.path.join(logs, "testlog.junit.xml")).iter("testcase"):
        name = "%s %s" % (case.get("classname", ""), case.get("name", ""))
        if case.find("failure") is not None or case.find("error") is not None:
            failed.append(name)
        elif case.find("skipped") is not None:
            reason = case.find("skipped").get("message") or ""
            skipped.append("%s: %s" % (name, reason) if reason else name)
        else:
            passed += 1
    for program in broken_programs(os.path.join(logs, "testlog.json")):
        if not any(program in name for name in failed):
            failed.append("%s: ended with an error though no test of it failed" % program)
    for name in skipped:
        print("skipped:", name)
    for name in failed:
        print("FAILED:", name)
    print("%d passed, %d failed" % (passed, len(failed)))
    return 1 if failed or passed == 0 else 0


sys.exit(main(sys.argv[1]))
