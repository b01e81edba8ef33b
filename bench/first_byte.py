#!/usr/bin/env python3
"""first_byte.py HOME: waits for a Migration to be created, then for the first bytes of a disk.

Prints the milliseconds between the two.  For home.sh, which exports KUBECONFIG.
"""

import os
import subprocess
import sys
import time

LIMIT_S = 60


def images(folder):
    """The disk images below FOLDER that have blocks."""
    found = set()
    for top, _, names in os.walk(folder):
        path = os.path.join(top, "disk.img")
        if "disk.img" in names and os.stat(path).st_blocks > 0:
            found.add(path)
    return found


def main():
    folder = sys.argv[1]
    before = images(folder)
    watch = subprocess.Popen(
        ["kubectl", "get", "migration", "-n", "konveyor-forklift", "--watch-only", "-o", "name"],
        stdout=subprocess.PIPE, text=True)
    try:
        watch.stdout.readline()
        start = time.monotonic()
        while images(folder) == before:
            if time.monotonic() - start > LIMIT_S:
                sys.exit("no byte of a disk after %d s" % LIMIT_S)
            time.sleep(0.001)
        print(int((time.monotonic() - start) * 1000))
    finally:
        watch.kill()


main()
