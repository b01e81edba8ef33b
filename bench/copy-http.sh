#!/bin/bash
# gantry-copy from servers: HTTP ranges beside curl with 8 connections, and latency beside a loop that
# does one request at a time, reading and writing in turn (gantry-copy --requests 1 --connections 1).
# All over loopback, in pairs; prints medians of ROUNDS pairs and the median ratio.
set -eu
copy=$BUILD/src/main/gantry-copy
server=$BUILD/tests/range-server
rounds=${ROUNDS:-5}
mebibytes=${HTTP_MB:-1024}
latency_mebibytes=${LATENCY_MB:-512}
work=$(mktemp -d "${BENCH_DIR:-${TMPDIR:-/var/tmp}}/gantry-bench.XXXXXX")
pids=
trap 'kill $pids 2>/dev/null; rm -rf "$work"' EXIT
cd "$work"
unset http_proxy https_proxy HTTP_PROXY HTTPS_PROXY all_proxy ALL_PROXY
[ -x "$server" ] || { echo "copy-http: no $server: ninja -C BUILD tests/range-server"; exit 0; }
mkdir root
head -c $((mebibytes << 20)) /dev/urandom >root/disk.raw
head -c $((latency_mebibytes << 20)) root/disk.raw >root/part.raw

mkfifo hold
"$server" --root root <hold >port &
pids="$pids $!"
exec 9>hold
until [ -s port ]; do sleep 0.1; done
url=http://127.0.0.1:$(cat port)

start_nginx() {
    nginx_port=$(python3 -c 'import socket
s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
    chmod 755 .
    cat >nginx.conf <<END
daemon off;
pid $work/nginx.pid;
worker_processes 2;
events { worker_connections 100; }
http {
    access_log off;
    sendfile on;
    client_body_temp_path $work/t1; proxy_temp_path $work/t2; fastcgi_temp_path $work/t3;
    uwsgi_temp_path $work/t4; scgi_temp_path $work/t5;
    server { listen 127.0.0.1:$nginx_port; root $work/root; }
}
END
    nginx -c "$work/nginx.conf" -e "$work/nginx.log" &
    pids="$pids $!"
    until [ -s nginx.pid ]; do sleep 0.1; done
}

# milliseconds COMMAND: its wall time
milliseconds() {
    rm -f out.*
    sync
    local start end
    start=$(date +%s%N)
    eval "$1" >/dev/null 2>command.log || { cat command.log >&2; return 1; }
    end=$(date +%s%N)
    echo $(((end - start) / 1000000))
}

# pair TITLE BYTES-IN-MIB PEER-COMMAND OUR-COMMAND
pair() {
    local peer ours
    # shellcheck disable=SC2254 # a pattern
    case $1 in *${ONLY:-}*) ;; *) return 0 ;; esac
    : >pairs
    milliseconds "$4" >/dev/null # both find warm caches
    for _ in $(seq "$rounds"); do
        peer=$(milliseconds "$3")
        ours=$(milliseconds "$4")
        echo "$ours $peer" >>pairs
    done
    awk '{printf "%.3f %d %d\n", $1 / $2, $1, $2}' pairs | sort -n |
        awk -v title="$1" -v size="$2" '{r[NR] = $1; a[NR] = $2; b[NR] = $3}
            END {m = int((NR + 1) / 2)
                 printf "%-50s ratio %.3f (%.3f to %.3f)  %d ms (%d MiB/s), peer %d ms (%d MiB/s)\n",
                     title, r[m], r[1], r[NR], a[m], size * 1000 / a[m], b[m], size * 1000 / b[m]}'
}

# curl8 URL OUT: eight ranges at once; OUT is /dev/null or a name for eight files
curl8() {
    local size=$((mebibytes << 20)) part list=()
    part=$((size / 8))
    for i in 0 1 2 3 4 5 6 7; do
        [ "$i" = 0 ] || list+=(--next)
        list+=(-s -r "$((i * part))-$(((i + 1) * part - 1))")
        if [ "$2" = /dev/null ]; then list+=(-o /dev/null "$1"); else list+=(-o "$2.$i" "$1"); fi
    done
    curl --parallel --parallel-immediate --parallel-max 8 "${list[@]}"
}

if command -v curl >/dev/null; then
    pair "HTTP, to nowhere, curl with 8 connections" "$mebibytes" \
        "curl8 $url/disk.raw /dev/null" "$copy --quiet $url/disk.raw null:"
    pair "HTTP, to a file, not durable, curl" "$mebibytes" \
        "curl8 $url/disk.raw out" "$copy --quiet --buffered --no-sync $url/disk.raw out.raw"
    if command -v nginx >/dev/null; then
        start_nginx
        pair "HTTP, nginx, to nowhere, curl" "$mebibytes" \
            "curl8 http://127.0.0.1:$nginx_port/disk.raw /dev/null" \
            "$copy --quiet http://127.0.0.1:$nginx_port/disk.raw null:"
    fi
fi

one="--requests 1 --connections 1"
for delay in 5 20; do
    part=$latency_mebibytes
    pair "HTTP, $delay ms a request, one at a time" "$part" \
        "$copy --quiet $one '$url/part.raw?delay=$delay' null:" \
        "$copy --quiet '$url/part.raw?delay=$delay' null:"
    if command -v nbdkit >/dev/null; then
        pair "NBD, $delay ms a request, one at a time" "$part" \
            "nbdkit -U - --filter=delay file root/part.raw delay-read=${delay}ms --run '$copy --quiet $one \$uri null:'" \
            "nbdkit -U - --filter=delay file root/part.raw delay-read=${delay}ms --run '$copy --quiet \$uri null:'"
    fi
done
echo "(a ratio of 0.125 or less: eight times the loop that does one request at a time)"
