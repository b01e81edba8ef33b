#!/bin/bash
# The libvirt hook client and the hook server: whole runs of the client with a server that only echoes
# and with gantry-hookd, beside a bash hook that copies its input and /bin/true, in turn on the same
# machine; the server's own edit; 64 migrations at once; the server's memory.
set -eu
bin=$BUILD/src/main
rounds=${ROUNDS:-500}
work=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$work"' EXIT
command -v python3 >/dev/null || { echo "premigration: no python3, not measured"; exit 0; }

# A definition of 20 KB: 50 disks on the source's paths, and what makes each hook apply.
{
    echo '<domain type="kvm"><name>demo_web</name>'
    echo '<uuid>11111111-2222-3333-4444-555555555555</uuid><vcpu placement="static">2</vcpu>'
    echo '<cputune><vcpupin vcpu="0" cpuset="0"/></cputune>'
    echo '<cpu><topology sockets="1" cores="2" threads="1"/></cpu>'
    echo '<features><kvm><hint-dedicated state="on"/></kvm></features><devices>'
    for i in $(seq 50); do
        printf '<disk type="file" device="disk"><driver name="qemu" type="raw" cache="none" '
        printf 'error_policy="stop" discard="unmap"/><source file="/var/run/kubevirt-private/'
        printf 'vmi-disks/demo/volume-%02d/disk.img"/><target dev="vd%s" bus="virtio"/>' "$i" "$i"
        printf '<serial>serial-of-the-disk-%02d</serial><alias name="ua-volume-%02d"/>' "$i" "$i"
        printf '<address type="pci" domain="0x0000" bus="0x%02x" slot="0x00" function="0x0"/>' "$i"
        printf '<!-- as the source had it -->\n</disk>\n'
    done
    echo '<interface type="bridge"><source bridge="br-a"/><target dev="tap1"/>'
    echo '<alias name="ua-sec"/></interface></devices></domain>'
} >"$work/domain.xml"
cat >"$work/context.json" <<'EOF'
{"node": "b", "source": {"domainNamespace": "demo"}, "target": {"domainNamespace": "prod"},
 "cpu": {"dedicated": true, "architecture": "amd64", "sockets": 1, "cores": 2, "threads": 1,
         "cpuset": [2, 3], "topology": {"cells": [{"id": 0, "cpus": [{"id": 2}, {"id": 3}]}]}},
 "hashTapNames": true, "networks": [{"name": "sec", "bridge": "br-b"}]}
EOF
printf '#!/bin/bash\nif [ "$2" = migrate ]; then while IFS= read -r line; do echo "$line"; done; fi\n' \
    >"$work/bash-hook"
chmod +x "$work/bash-hook"
echo "definition: $(wc -c <"$work/domain.xml") bytes, $rounds rounds"

"$bin/gantry-hookd" --quiet --socket "$work/hookd" --context "$work/context.json" --exchanges 0 &
hookd=$!
"$BUILD/tests/bench-hook-echo" "$work/echo" &
for _ in $(seq 100); do
    [ -S "$work/echo" ] && [ -S "$work/hookd" ] && break
    sleep 0.05
done

# All peers in turn within each round, so that they see the same load.
python3 - "$bin/gantry-libvirt-hook" "$work" "$rounds" <<'EOF'
import os, sys, threading, time
hook, work, rounds = sys.argv[1], sys.argv[2], int(sys.argv[3])
source = os.open(work + "/domain.xml", os.O_RDONLY)
size = os.fstat(source).st_size
words = ["demo_web", "migrate", "begin", "-"]

def run(program, server, out):
    """Milliseconds of one whole run, and its output's size."""
    stdin = os.open(work + "/domain.xml", os.O_RDONLY)
    stdout = os.open(out, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
    env = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "GANTRY_HOOK_SOCKET": work + "/" + server}
    before = time.perf_counter()
    pid = os.posix_spawn(program, [program] + words, env, file_actions=[
        (os.POSIX_SPAWN_DUP2, stdin, 0), (os.POSIX_SPAWN_DUP2, stdout, 1)])
    _, status = os.waitpid(pid, 0)
    took = (time.perf_counter() - before) * 1000
    length = os.fstat(stdout).st_size
    os.close(stdin)
    os.close(stdout)
    if status != 0:
        sys.exit(f"{program} with {server}: status {status}")
    return took, length

peers = {"client, echo server": (hook, "echo"), "client, gantry-hookd": (hook, "hookd"),
         "bash hook, only copies": (work + "/bash-hook", "none"), "/bin/true": ("/bin/true", "none")}
times = {name: [] for name in peers}
for _ in range(rounds):
    for name, (program, server) in peers.items():
        took, length = run(program, server, work + "/out")
        times[name].append(took)
        if name != "/bin/true" and length < size // 2:
            sys.exit(f"{name}: only {length} bytes came back")
for name, list_ in times.items():
    list_.sort()
    print(f"{name + ':':26}p50 {list_[len(list_) // 2]:.2f} ms, p95 {list_[len(list_) * 95 // 100]:.2f} ms")

results = []
def one(i):
    results.append(run(hook, "hookd", f"{work}/out.{i}"))
threads = [threading.Thread(target=one, args=(i,)) for i in range(64)]
before = time.perf_counter()
for thread in threads: thread.start()
for thread in threads: thread.join()
whole = (time.perf_counter() - before) * 1000
edited = sum(length > size // 2 for _, length in results)
print(f"64 at once:               {edited} edited, all done after {whole:.0f} ms")
sys.exit(0 if edited == 64 else "some of the 64 failed")
EOF
printf 'edit alone:               '
"$bin/gantry" premigration bench --context "$work/context.json" --rounds "$rounds" "$work/domain.xml"
awk '/^Rss|^Private_Dirty|^Private_Clean/ {sum[$1] += $2}
    END {printf "gantry-hookd:             %d KiB resident at the end, %d KiB of it its own\n", sum["Rss:"],
         sum["Private_Dirty:"] + sum["Private_Clean:"]}' "/proc/$hookd/smaps"
awk '/VmHWM/ {printf "gantry-hookd:             %d KiB resident at the most\n", $2}' "/proc/$hookd/status"
