#!/bin/sh
# gantry-copy from and to NBD servers: nbdkit and qemu-nbd, with TLS, faults and lost connections.
. "$(dirname "$0")/functions.sh"
requires nbdkit "tests serve NBD with it"
requires qemu-nbd "tests serve NBD with it"
requires qemu-img "tests compare with it"
copy=$bin/gantry-copy
disk=$work/disk.raw

truncate -s 20971520 "$disk"
head -c 12582912 /dev/urandom | dd of="$disk" conv=notrunc status=none
head -c 300000 /dev/urandom | dd of="$disk" bs=1048576 seek=18 conv=notrunc status=none

# serve NAME NBDKIT-ARGUMENTS...: an nbdkit in the background; its URI is in $uri
serve() {
    name=$1
    shift
    rm -f "$work/$name.sock" "$work/$name.pid"
    # shellcheck disable=SC2086
    nbdkit -P "$work/$name.pid" -U "$work/$name.sock" ${nbdkit_options:-} "$@" 2>>"$work/nbdkit.log"
    cleanup_fn "kill \$(cat $work/$name.pid)"
    uri="nbd+unix:///?socket=$work/$name.sock"
}

# serve_tcp NBDKIT-ARGUMENTS...: on a free port of 127.0.0.1, in $port
serve_tcp() {
    port=$(python3 -c 'import socket
s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
    rm -f "$work/tcp.pid"
    nbdkit -P "$work/tcp.pid" -i 127.0.0.1 -p "$port" "$@" 2>>"$work/nbdkit.log"
    cleanup_fn "kill $(cat "$work/tcp.pid")"
}

has_begun() {
    [ -e "$work/out" ] && [ "$(stat -c %b "$work/out")" -gt 0 ]
}

gone() {
    ! kill -0 "$1" 2>/dev/null
}

# stop NAME: without a chance to say goodbye
stop() {
    pid=$(cat "$work/$1.pid")
    kill -KILL "$pid"
    wait_until 10 gone "$pid"
}

# fails STATUS TEXT ARGUMENTS...: one line with TEXT, and that exit status
fails() {
    want=$1
    text=$2
    shift 2
    status=0
    timeout 60 "$copy" --quiet "$@" 2>"$work/err" || status=$?
    cat "$work/err"
    same $status "$want"
    contains "$(cat "$work/err")" "$text"
    same "$(grep -c '^gantry-copy: ' "$work/err")" "$((1 + $(grep -c 'hint: ' "$work/err")))"
}

# areas SOURCE: what is data, by gantry-copy
areas() {
    "$copy" --info "$1" | grep ' data$'
}

keeps_holes() {
    serve holes file "$disk"
    "$copy" --quiet "$uri" "$work/out"
    cmp "$disk" "$work/out"
    [ "$(stat -c %b "$work/out")" -lt 27000 ] || fail "holes were filled"
    areas "$uri" >"$work/areas"
    areas "$disk" >"$work/want"
    cmp "$work/want" "$work/areas"
    # a server that has no block status, or not even structured replies
    serve flat --filter=noextents file "$disk"
    "$copy" --quiet "$uri" "$work/out"
    cmp "$disk" "$work/out"
    nbdkit_options=--no-sr serve simple file "$disk"
    "$copy" --quiet "$uri" "$work/out"
    cmp "$disk" "$work/out"
}

# A server that takes only whole blocks of 4096 bytes, and requests of at most 64 KiB.
keeps_to_block_sizes() {
    truncate -s 20975616 "$work/blocks"
    serve blocks --filter=blocksize-policy file "$work/blocks" blocksize-minimum=4096 \
        blocksize-preferred=4096 blocksize-maximum=65536 blocksize-error-policy=error
    head -c 20971937 /dev/urandom >"$work/odd"
    "$copy" --quiet "$work/odd" "$uri"
    cmp -n 20971937 "$work/odd" "$work/blocks"
    "$copy" --quiet "$uri" "$work/out"
    cmp "$work/blocks" "$work/out"
    # a VMDK lies in an export: its header and tables are small
    qemu-img convert -f raw -O vmdk -o subformat=streamOptimized "$disk" "$work/served.vmdk"
    truncate -s %4096 "$work/served.vmdk"
    serve image --filter=blocksize-policy file "$work/served.vmdk" blocksize-minimum=4096 \
        blocksize-preferred=4096 blocksize-maximum=65536 blocksize-error-policy=error
    "$copy" --quiet --source-format vmdk "$uri" "$work/out"
    cmp "$disk" "$work/out"
    echo '100 5000' >"$work/areas"
    fails 4 "takes only blocks of 4096 bytes" --extents "$work/areas" "$disk" \
        "nbd+unix:///?socket=$work/blocks.sock"
}

reads_qemu_nbd() {
    qemu-img convert -f raw -O qcow2 -c "$disk" "$work/disk.qcow2"
    qemu-nbd -r -t -e 4 -f qcow2 -k "$work/qemu.sock" "$work/disk.qcow2" &
    cleanup_fn "kill $!"
    wait_until 10 test -S "$work/qemu.sock"
    "$copy" --quiet "nbd+unix:///?socket=$work/qemu.sock" "$work/out"
    cmp "$disk" "$work/out"
}

# few connections, or many where the server allows them
uses_connections() {
    serve many --filter=log file "$disk" logfile="$work/many.log"
    "$copy" --quiet "$uri" "$work/out"
    same "$(grep -c ' Connect ' "$work/many.log")" 4
    : >"$work/many.log"
    "$copy" --quiet --connections 7 "$uri" "$work/out"
    cmp "$disk" "$work/out"
    same "$(grep -c ' Connect ' "$work/many.log")" 7
    serve one --filter=multi-conn --filter=log file "$disk" logfile="$work/one.log" \
        multi-conn-mode=disable
    "$copy" --quiet --connections 7 "$uri" "$work/out"
    cmp "$disk" "$work/out"
    same "$(grep -c ' Connect ' "$work/one.log")" 1
}

talks_tls_with_keys() {
    command -v psktool >/dev/null || skip "no psktool"
    psktool -u alice -p "$work/keys" >/dev/null
    psktool -u alice -p "$work/other.keys" >/dev/null
    serve_tcp --tls=require --tls-psk="$work/keys" file "$disk"
    "$copy" --quiet "nbds-psk://alice@127.0.0.1:$port/?tls-psk-file=$work/keys" "$work/out" ||
        "$copy" --quiet "nbds://alice@127.0.0.1:$port/?tls-psk-file=$work/keys" "$work/out"
    cmp "$disk" "$work/out"
    fails 3 "cannot connect" "nbds://alice@127.0.0.1:$port/?tls-psk-file=$work/other.keys" \
        "$work/out"
    fails 3 "cannot connect" "nbd://127.0.0.1:$port/" "$work/out"
}

# certificates DIR NAME: an authority in DIR and the server NAME's certificate
certificates() {
    mkdir -p "$1"
    openssl req -x509 -newkey rsa:2048 -nodes -subj "/CN=Tests ${1##*/}" -days 2 -keyout "$1/ca-key.pem" \
        -out "$1/ca-cert.pem" 2>/dev/null
    openssl req -newkey rsa:2048 -nodes -subj "/CN=$2" -keyout "$1/server-key.pem" \
        -out "$1/server.csr" 2>/dev/null
    printf 'subjectAltName=DNS:%s,IP:127.0.0.1\n' "$2" >"$1/extensions"
    openssl x509 -req -in "$1/server.csr" -CA "$1/ca-cert.pem" -CAkey "$1/ca-key.pem" \
        -CAcreateserial -days 2 -extfile "$1/extensions" -out "$1/server-cert.pem" 2>/dev/null
}

talks_tls_with_certificates() {
    command -v openssl >/dev/null || skip "no openssl"
    certificates "$work/pki" localhost
    certificates "$work/other" localhost
    serve_tcp --tls=require --tls-certificates="$work/pki" file "$disk"
    mkdir "$work/client" "$work/stranger"
    cp "$work/pki/ca-cert.pem" "$work/client"
    cp "$work/other/ca-cert.pem" "$work/stranger"
    "$copy" --quiet "nbds://localhost:$port/?tls-certificates=$work/client" "$work/out"
    cmp "$disk" "$work/out"
    fails 3 "cannot connect" "nbds://localhost:$port/?tls-certificates=$work/stranger" "$work/out"
    # both ends of a copy
    truncate -s 20971520 "$work/served"
    serve_tcp --tls=require --tls-certificates="$work/pki" file "$work/served"
    "$copy" --quiet "$disk" "nbds://localhost:$port/?tls-certificates=$work/client"
    cmp "$disk" "$work/served"
}

connects_again() {
    serve again --filter=rate file "$disk" rate=20M
    rm -f "$work/out"
    "$copy" "$uri" "$work/out" >"$work/copy.log" 2>&1 &
    copy_pid=$!
    wait_until 10 has_begun
    stop again
    serve again --filter=rate file "$disk" rate=100M
    wait $copy_pid || fail "$(cat "$work/copy.log")"
    cmp "$disk" "$work/out"
    grep 'connected again' "$work/copy.log"
}

refuses_another_disk() {
    serve swapped --filter=rate file "$disk" rate=20M
    rm -f "$work/out"
    "$copy" --quiet "$uri" "$work/out" 2>"$work/err" &
    copy_pid=$!
    wait_until 10 has_begun
    stop swapped
    truncate -s 30971520 "$work/larger"
    serve swapped file "$work/larger"
    status=0
    wait $copy_pid || status=$?
    cat "$work/err"
    same $status 3
    grep 'came back with another size' "$work/err"
}

gives_up_on_lost_servers() {
    serve lost --filter=rate file "$disk" rate=20M
    rm -f "$work/out"
    "$copy" --quiet --timeout 2 "$uri" "$work/out" 2>"$work/err" &
    copy_pid=$!
    wait_until 10 has_begun
    stop lost
    status=0
    wait $copy_pid || status=$?
    cat "$work/err"
    same $status 3
    contains "$(cat "$work/err")" "cannot read \"$uri\" at byte"
    # a server that breaks each connection as soon as it is asked
    serve breaks eval get_size="echo 1048576" pread="kill -9 \$PPID"
    fails 3 "cannot" --timeout 5 "$uri" "$work/out"
}

keeps_to_the_timeout() {
    serve hangs --filter=delay file "$disk" delay-read=100
    fails 3 "cannot read \"$uri\" at byte" --timeout 1 "$uri" "$work/out"
    contains "$(cat "$work/err")" "see --timeout"
    truncate -s 20971520 "$work/served"
    serve hanging --filter=delay file "$work/served" delay-write=100
    fails 4 "cannot write \"$uri\" at byte" --timeout 1 "$disk" "$uri"
    # a server that never says hello
    python3 -c 'import socket, time
s = socket.socket(socket.AF_UNIX); s.bind("'"$work/mute.sock"'"); s.listen(5); time.sleep(60)' &
    cleanup_fn "kill $!"
    wait_until 10 test -S "$work/mute.sock"
    fails 3 "no answer" --timeout 1 "nbd+unix:///?socket=$work/mute.sock" "$work/out"
    # slow is not dead: nothing comes for less than the timeout
    serve slow --filter=delay file "$disk" delay-read=500ms
    "$copy" --quiet --timeout 1 --requests 2 "$uri" "$work/out"
    cmp "$disk" "$work/out"
}

tells_read_errors() {
    serve bad --filter=error file "$disk" error-pread-rate=100% error=EIO
    fails 3 "cannot read \"$uri\" at byte 0: Input/output error" "$uri" "$work/out" --requests 1
    serve sometimes --filter=error file "$disk" error-pread-rate=30% error=EIO
    fails 3 "Input/output error" "$uri" "$work/out"
    serve extents --filter=error file "$disk" error-extents-rate=100%
    fails 3 "areas" "$uri" "$work/out"
    # it says that it is larger than it is
    serve liar eval get_size="echo 40000000" \
        pread="dd if=$disk bs=1 iflag=skip_bytes,count_bytes skip=\$4 count=\$3 bs=65536 status=none"
    fails 3 "cannot read \"$uri\" at byte" "$uri" "$work/out"
    # ... or larger than anything is
    serve huge eval get_size="echo 9223372036854775807" pread="echo EIO >&2; exit 1"
    fails 3 "Input/output error" "$uri" null:
}

writes_parts_at_once() {
    truncate -s 20971520 "$work/served"
    serve parts --filter=log --filter=delay file "$work/served" logfile="$work/parts.log" wdelay=300ms
    head -c 1048576 /dev/urandom >"$work/block"
    "$copy" --quiet --requests 1 "$work/block" "$uri"
    cmp -n 1048576 "$work/block" "$work/served"
    grep 'Write id' "$work/parts.log" | sed 's/.* \(\.*Write\) .*\(count=[^ ]*\|return=[^ ]*\).*/\1 \2/' >"$work/parts"
    printf 'Write count=0x40000\n%.0s' 1 2 3 4 >"$work/wanted"
    printf '...Write return=0\n%.0s' 1 2 3 4 >>"$work/wanted"
    diff "$work/wanted" "$work/parts"
}

tells_write_errors() {
    # in the third part of the first block
    serve part eval get_size="echo 20971520" pread="head -c \$3 /dev/zero" can_write=true \
        pwrite='cat >/dev/null; if [ "$4" = 524288 ]; then echo EIO >&2; exit 1; fi'
    fails 4 "cannot write \"$uri\" at byte 524288: Input/output error" "$disk" "$uri"

    truncate -s 20971520 "$work/served"
    serve full --filter=error file "$work/served" error-pwrite-rate=100% error=ENOSPC
    fails 4 "cannot write \"$uri\" at byte" "$disk" "$uri"
    contains "$(cat "$work/err")" "No space left on device"
    serve zero --filter=error file "$work/served" error-zero-rate=100% error=EIO
    fails 4 "Input/output error" "$disk" "$uri"
    serve small memory 1M
    fails 4 "has 1048576 bytes, the disk 20971520" "$disk" "$uri"
    nbdkit_options=-r serve readonly file "$work/served"
    fails 4 "is read-only" "$disk" "$uri"
}

# An answer to a write is no promise; the flush at the end is.
tells_flush_errors() {
    serve flush eval get_size="echo 20971520" pread="head -c \$3 /dev/zero" pwrite="cat >/dev/null" \
        can_write=true can_flush=true flush="echo EIO >&2; exit 1"
    fails 4 "cannot flush \"$uri\"" "$disk" "$uri"
    fails 4 "cannot flush \"$uri\"" --map "$work/flush.map" "$disk" "$uri"
    "$copy" --show-map "$work/flush.map" | grep -v '^#' | grep . && fail "the map knows blocks"
    "$copy" --quiet --no-sync "$disk" "$uri"
}

# What was answered but not flushed may be gone with the server.
does_not_trust_a_destination_that_was_away() {
    truncate -s 20971520 "$work/served"
    serve away --filter=rate file "$work/served" rate=20M
    "$copy" --quiet --map "$work/away.map" "$disk" "$uri" 2>"$work/err" &
    copy_pid=$!
    wait_until 10 test -s "$work/away.map"
    sleep_until_written
    stop away
    serve away file "$work/served"
    status=0
    wait $copy_pid || status=$?
    cat "$work/err"
    same $status 4
    "$copy" --quiet --map "$work/away.map" --resume --verify "$disk" "$uri"
    cmp "$disk" "$work/served"
}

has_written() {
    [ "$(stat -c %b "$work/served")" -gt 0 ]
}

sleep_until_written() {
    wait_until 10 has_written
}

plan 15
it "keeps holes" keeps_holes
it "keeps to block sizes" keeps_to_block_sizes
it "reads qemu-nbd" reads_qemu_nbd
it "uses many connections where it may" uses_connections
it "talks TLS with shared keys" talks_tls_with_keys
it "talks TLS with certificates" talks_tls_with_certificates
it "connects again and goes on" connects_again
it "refuses a server that came back with another disk" refuses_another_disk
it "gives up on servers that are lost" gives_up_on_lost_servers
it "keeps to the timeout" keeps_to_the_timeout
it "tells read errors" tells_read_errors
it "writes the parts of a block at once" writes_parts_at_once
it "tells write errors" tells_write_errors
it "tells flush errors" tells_flush_errors
it "does not trust a destination that was away" does_not_trust_a_destination_that_was_away
finish
