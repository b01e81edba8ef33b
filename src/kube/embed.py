#!/usr/bin/env python3
"""Turns definitions in YAML into the C file behind kube/embed.h.

usage: embed.py OUT.c META.yaml SHARED_DIR builtin FILE... crd FILE...

A file may hold several documents.  A mapping {x-gantry-include: NAME, ...} stands for the document
SHARED_DIR/NAME.yaml with the other keys of the mapping laid over it.
"""
import json
import os
import sys

import yaml

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_all(path):
    with open(path, encoding="utf-8") as file:
        return [doc for doc in yaml.load_all(file, Loader=LOADER) if doc is not None]


class Includer:
    def __init__(self, folder):
        self.folder = folder
        self.known = {}

    def document(self, name):
        if name not in self.known:
            path = os.path.join(self.folder, name + ".yaml")
            self.known[name] = self.expand(read_all(path)[0])
        return self.known[name]

    def expand(self, node):
        if isinstance(node, list):
            return [self.expand(item) for item in node]
        if not isinstance(node, dict):
            return node
        rest = {key: self.expand(value) for key, value in node.items() if key != "x-gantry-include"}
        if "x-gantry-include" not in node:
            return rest
        return {**self.document(node["x-gantry-include"]), **rest}


def as_c(name, node):
    text = json.dumps(node, separators=(",", ":"), ensure_ascii=True)
    quoted = text.replace("\\", "\\\\").replace('"', '\\"').replace("?", "\\?")
    lines, start = [], 0
    while start < len(quoted):
        end = min(start + 96, len(quoted))
        while quoted[start:end].endswith("\\") and end < len(quoted):
            end += 1
        lines.append('     "%s"\n' % quoted[start:end])
        start = end
    return '    {"%s",\n%s     , %d}' % (name, "".join(lines), len(text.encode()))


def main(out, meta, shared, *groups):
    includer = Includer(shared)
    lists = {"builtin": [], "crd": []}
    current = None
    for word in groups:
        if word in lists:
            current = lists[word]
            continue
        for doc in read_all(word):
            name = doc["spec"]["names"]["plural"] + "." + doc["spec"].get("group", "")
            current.append(as_c(name, includer.expand(doc)))
    with open(out, "w", encoding="utf-8") as file:
        file.write("/* Made by embed.py. */\n#include \"kube/embed.h\"\n\n")
        for key, variable in (("builtin", "embed_builtins"), ("crd", "embed_crds")):
            rows = "".join(row + ",\n" for row in lists[key])
            file.write("const struct embedded %s[] = {\n%s    {0},\n};\n\n" % (variable, rows))
        file.write("const struct embedded embed_object_meta =\n%s;\n"
                   % as_c("ObjectMeta", includer.expand(read_all(meta)[0])))


if __name__ == "__main__":
    main(*sys.argv[1:])
