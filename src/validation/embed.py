#!/usr/bin/env python3
"""Turns policies into the C file behind validation/default_policies.h.

usage: embed.py OUT.c ROOT FILE...
"""
import os
import sys


def as_c(text):
    quoted = text.replace("\\", "\\\\").replace('"', '\\"').replace("?", "\\?")
    return "\n".join('     "%s\\n"' % line for line in quoted.rstrip("\n").split("\n"))


def main(out, root, *files):
    rows = []
    for path in sorted(files):
        with open(path, encoding="utf-8") as file:
            rows.append('    {"%s",\n%s},' % (os.path.relpath(path, root), as_c(file.read())))
    with open(out, "w", encoding="utf-8") as file:
        file.write('#include "validation/default_policies.h"\n\n')
        file.write("const struct default_policy default_policies[] = {\n%s\n};\n" % "\n".join(rows))
        file.write("const size_t default_policy_count = %d;\n" % len(rows))


main(*sys.argv[1:])
