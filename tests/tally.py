"""Counts the tests of a Meson run: one a TAP line, one a program without TAP.

Reads the JUnit file that Meson writes, prints every failure and every skip with its reason, and ends
with "N passed, N failed".  Exit status 1 if a test failed or none ran.
"""
import sys
import xml.etree.ElementTree as tree


def main(path):
    passed, failed, skipped = 0, [], []
    for case in tree.parse(path).iter("testcase"):
        name = "%s %s" % (case.get("classname", ""), case.get("name", ""))
        if case.find("failure") is not None or case.find("error") is not None:
            failed.append(name)
        elif case.find("skipped") is not None:
            reason = case.find("skipped").get("message") or ""
            skipped.append("%s: %s" % (name, reason) if reason else name)
        else:
            passed += 1
    for name in skipped:
        print("skipped:", name)
    for name in failed:
        print("FAILED:", name)
    print("%d passed, %d failed" % (passed, len(failed)))
    return 1 if failed or passed == 0 else 0


sys.exit(main(sys.argv[1]))
