#!/usr/bin/env python3
"""Asks a home whether it takes a machine, as another home would, with one thing wrong each time.

    live_questions.py unix:PATH HOST_UUID     of that home, which expects migration "preflight"
"""
import json
import socket
import sys

path, uuid = sys.argv[1].removeprefix("unix:"), sys.argv[2]


def ask(wrong):
    machine = {
        "uuid": "5a9f3a36-54d3-4f29-9c0e-0bc0fca25d8b", "type": "qemu", "arch": "x86_64", "machine": "q35",
        "memoryKiB": "65536", "hostUUID": "00000000-0000-4000-8000-000000000001", "hostCPU": "x",
        "hypervisor": 7002022, "disks": []}
    question = {
        "migrationID": "preflight", "channel": "sync", "ask": "prepare", "node": "x", "namespace": "default",
        "name": "x", "vmiUID": "u", "domain": "default_x", "folder": "/x", "machine": machine | wrong,
        "id": "0c7c6b4e-93f0-4a3e-8a25-7b6f1f3f2c11"}
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(60)
    connection.connect(path)
    connection.sendall(json.dumps(question).encode() + b"\n")
    return json.loads(connection.makefile().readline())


def disk(**wrong):
    return [{"name": "root", "target": "vda", "path": "/x", "sizeBytes": 64 << 20, "allocatedBytes": 0} | wrong]


CUSTOM = "<cpu mode='custom' match='exact'><model fallback='forbid'>%s</model>%s</cpu>"
CASES = [
    ({"hostUUID": uuid}, "same host UUID"),
    ({"machine": "pc-q35-99.0"}, 'no machine type "pc-q35-99.0"'),
    ({"arch": "vax"}, "this host has no machine type"),
    ({"type": "vmware"}, "vmware"),
    ({"cpu": CUSTOM % ("athlon-of-tomorrow", "")}, "athlon-of-tomorrow"),
    ({"cpu": CUSTOM % ("qemu64", "<feature policy='require' name='avx512f'/>")}, "no processor like"),
    ({"cpu": "<cpu mode='host-passthrough'/>", "hostCPU": "Pentium"}, "has its host's processor"),
    ({"cpu": "<cpu mode='maximum'/>", "hypervisor": 1}, "QEMU here is another"),
    ({"memoryKiB": str(1 << 40)}, "are free here"),
    ({"memoryKiB": "much"}, "is no number"),
    ({"disks": disk(name="other")}, "no volume of that name"),
    ({"disks": disk(sizeBytes=1 << 50)}, "at the source"),
    ({"disks": disk(allocatedBytes=1 << 60)}, "are free"),
    ({"disks": disk(target="../vda")}, "no disk's name"),
]
for wrong, reason in CASES:
    answer = ask(wrong)
    if reason not in answer.get("error", ""):
        sys.exit(f"{wrong}: {answer}, not {reason}")
answer = ask({"disks": disk()})
if answer.get("copied") != ["vda"] or not isinstance(answer.get("postCopy"), bool):
    sys.exit(f"a sound question: {answer}")
