#!/bin/sh
# gantry-copy from HTTP and HTTPS servers: a server of our own with faults, and nginx.
. "$(dirname "$0")/functions.sh"
requires qemu-img "the images are made by it"
requires openssl "thumbprints are taken with it"
copy=$bin/gantry-copy
root=$work/root
mkdir "$root" "$work/tls"
unset http_proxy HTTP_PROXY https_proxy HTTPS_PROXY all_proxy ALL_PROXY

# serve NAME OPTIONS...: starts the range server; its port goes to $work/NAME.port
serve() {
    name=$1
    shift
    mkfifo "$work/$name.hold"
    "$BUILD/tests/range-server" --root "$root" --log "$work/$name.log" "$@" \
        <"$work/$name.hold" >"$work/$name.port" &
    # its standard input stays open as long as this shell lives
    case $name in
    plain) exec 7>"$work/$name.hold" ;;
    other) exec 8>"$work/$name.hold" ;;
    tls) exec 9>"$work/$name.hold" ;;
    esac
    wait_until 20 test -s "$work/$name.port"
}

# 12 MiB of data, a hole, a tail that ends within a sector
truncate -s 20971937 "$root/disk.raw"
head -c 12582912 /dev/urandom | dd of="$root/disk.raw" conv=notrunc status=none
printf 'the end' | dd of="$root/disk.raw" bs=1 seek=20971930 conv=notrunc oflag=seek_bytes status=none
qemu-img convert -f raw -O vmdk -o subformat=streamOptimized "$root/disk.raw" "$root/disk.vmdk"
qemu-img convert -f vmdk -O raw "$root/disk.vmdk" "$work/rounded"
# another file of the same size
head -c 20971937 /dev/urandom >"$root/disk.raw.new"

serve plain
serve other
serve tls --tls "$work/tls"
plain=http://127.0.0.1:$(cat "$work/plain.port")
other=http://127.0.0.1:$(cat "$work/other.port")
tls=https://127.0.0.1:$(cat "$work/tls.port")

# gets URL [OPTIONS]: the copy is the disk
gets() {
    url=$1
    shift
    "$copy" --quiet "$@" "$url" "$work/out"
    case $url in
    *vmdk*) cmp "$work/rounded" "$work/out" ;;
    *) cmp "$root/disk.raw" "$work/out" ;;
    esac
}

# refuses STATUS TEXT URL [OPTIONS]: one line that says TEXT, and that exit status
refuses() {
    want=$1
    text=$2
    url=$3
    shift 3
    status=0
    "$copy" --quiet "$@" "$url" "$work/out" 2>"$work/err" || status=$?
    cat "$work/err"
    same $status "$want"
    contains "$(cat "$work/err")" "$text"
    same "$(grep -vc 'hint:' "$work/err")" 1
}

copies_all_forms() {
    cd "$root"
    gzip -1 -k disk.raw
    tar --format=ustar -cf vm.ova disk.vmdk disk.raw
    split -b 5000000 -d -a 9 disk.vmdk chunk.vmdk.
    tar --format=ustar -cf chunks.ova chunk.vmdk.*
    mkdir flat sparse
    qemu-img convert -f raw -O vmdk -o subformat=twoGbMaxExtentFlat disk.raw flat/disk.vmdk
    qemu-img convert -f raw -O vmdk -o subformat=twoGbMaxExtentSparse disk.raw sparse/disk.vmdk
    gets "$plain/disk.raw"
    gets "$plain/disk.vmdk"
    gets "$plain/disk.raw.gz"
    gets "$plain/flat/disk.vmdk"
    gets "$plain/sparse/disk.vmdk"
    gets "ova:$plain/vm.ova#disk.raw"
    gets "ova:$plain/vm.ova#disk.vmdk"
    gets "ova:$plain/chunks.ova#chunk.vmdk"
    "$copy" --info "ova:$plain/vm.ova#disk.vmdk" | grep 'format: vmdk streamOptimized'
}

copies_sizes() {
    for size in 0 1 511 513 65536 131073 1048577; do
        head -c $size /dev/urandom >"$root/sized"
        "$copy" --quiet "$plain/sized" "$work/out"
        cmp "$root/sized" "$work/out"
        "$copy" --quiet "$plain/sized?whole=1" "$work/out"
        cmp "$root/sized" "$work/out"
    done
}

refuses_what_needs_a_file() {
    qemu-img convert -f raw -O vhdx "$root/disk.raw" "$root/disk.vhdx"
    refuses 3 "read from local files only" "$plain/disk.vhdx"
    # qcow2 is read from anywhere
    qemu-img convert -c -f raw -O qcow2 "$root/disk.raw" "$root/disk.qcow2"
    "$copy" --quiet "$plain/disk.qcow2" "$work/out"
    cmp -n 20971937 "$root/disk.raw" "$work/out"
}

# Its log has one request for each part, on few connections.
uses_many_connections() {
    : >"$work/plain.log"
    gets "$plain/disk.raw?tag=many" --requests 8
    connections=$(grep -c . "$work/plain.log")
    [ "$connections" -ge 20 ] || fail "$connections requests"
    connections=$(cut -d' ' -f1 "$work/plain.log" | sort -u | wc -l)
    [ "$connections" -ge 4 ] || fail "only $connections connections"
    [ "$connections" -le 10 ] || fail "$connections connections for 8 requests at once"
}

sends_credentials() {
    printf 'pass word\n' >"$work/password"
    printf 'to.ken\n' >"$work/token"
    gets "$plain/disk.raw?user=me&password=pass%20word" --user me --password-file "$work/password"
    GANTRY_COPY_USER=me GANTRY_COPY_PASSWORD='pass word' \
        gets "$plain/disk.raw?user=me&password=pass%20word"
    gets "$plain/disk.raw?bearer=to.ken" --bearer-file "$work/token"
    GANTRY_COPY_BEARER=to.ken gets "$plain/disk.raw?bearer=to.ken"
    refuses 3 "HTTP status 401" "$plain/disk.raw?cookie=vmware_soap_session%3Dabc" \
        --cookie vmware_soap_session=other
    gets "$plain/disk.raw?cookie=vmware_soap_session%3Dabc" --cookie 'vmware_soap_session=abc'
    refuses 3 "HTTP status 401" "$plain/disk.raw?user=me&password=other" \
        --user me --password-file "$work/password"
    refuses 3 "HTTP status 401" "$plain/disk.raw?bearer=to.ken"
    refuses 3 "the URL holds a user or password" "http://me:word@127.0.0.1:1/disk.raw"
    # neither queries nor secrets in messages
    grep -q 'me:word' "$work/err" && fail "the password is in the message"
    refuses 3 "HTTP status 401" "$plain/disk.raw?bearer=to.ken&tag=secret"
    grep -q 'secret\|ken' "$work/err" && fail "the query is in the message"
    true
}

follows_redirects() {
    : >"$work/other.log"
    gets "$plain/disk.raw?status=302&location=$other/disk.raw" --cookie a=b
    grep -q 'Range=' "$work/other.log" || fail "not asked"
    grep -q 'Cookie=' "$work/other.log" && fail "the cookie went to another host"
    GANTRY_COPY_BEARER=to.ken gets "$plain/disk.raw?status=307&location=$other/disk.raw"
    GANTRY_COPY_USER=me GANTRY_COPY_PASSWORD=word \
        gets "$plain/disk.raw?status=301&location=$other/disk.raw"
    grep -q 'Authorization=' "$work/other.log" && fail "credentials went to another host"
    # on the same host they stay
    GANTRY_COPY_BEARER=to.ken gets \
        "$plain/disk.raw?status=302&location=/disk.raw%3Fbearer=to.ken%26cookie=a%253Db" --cookie a=b
    refuses 3 "more than 5 redirects" "$plain/disk.raw?status=302&location=/disk.raw%3Fstatus=302%26location=/disk.raw%253Fstatus=302%2526location=/disk.raw%25253Fstatus=302%252526location=/disk.raw%2525253Fstatus=302%25252526location=/disk.raw%252525253Fstatus=302%2525252526location=/disk.raw"
    refuses 3 "" "$plain/disk.raw?status=302&location=file:///etc/passwd"
}

trusts_the_right_servers() {
    sha1=$(openssl x509 -in "$work/tls/server.crt" -noout -fingerprint -sha1 | cut -d= -f2)
    sha256=$(openssl x509 -in "$work/tls/server.crt" -noout -fingerprint -sha256 | cut -d= -f2)
    gets "$tls/disk.vmdk" --ca-file "$work/tls/ca.crt"
    gets "$tls/disk.raw" --thumbprint "$sha1"
    gets "$tls/disk.raw" --thumbprint "$(echo "$sha256" | tr -d : | tr A-F a-f)"
    gets "$tls/disk.raw?whole=1" --thumbprint "$sha256"
    gets "$tls/disk.raw" --insecure
    refuses 3 "not trusted" "$tls/disk.raw"
    refuses 3 "another thumbprint: SHA-1 $sha1" "$tls/disk.raw" --thumbprint "00${sha256#??}"
    refuses 3 "not a thumbprint" "$tls/disk.raw" --thumbprint "zz"
    openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=another -days 2 -keyout "$work/another.key" \
        -out "$work/another.crt"
    refuses 3 "not trusted" "$tls/disk.raw" --ca-file "$work/another.crt"
    refuses 3 "certificates to trust" "$tls/disk.raw" --ca-file "$work/nothing.crt"
}

reads_servers_without_ranges() {
    gets "$plain/disk.raw?whole=1"
    gets "$plain/disk.vmdk?whole=1"
    gets "$plain/disk.raw.gz?whole=1"
    gets "$plain/disk.vmdk?whole=1&chunked=1"
    gets "$plain/disk.raw?whole=1" --source-format raw
    qemu-img convert -f raw -O vmdk "$root/disk.raw" "$root/plain.vmdk"
    refuses 3 "cannot be read front to back" "$plain/plain.vmdk?whole=1"
    refuses 3 "an early end would not be noticed" "$plain/disk.raw?whole=1&close=1"
    refuses 2 "no --map" "$plain/disk.raw?whole=1" --map "$work/map"
    contains "$(cat "$work/err")" "does not say at its start how large the disk is"
}

streams_by_one_request() {
    : >"$work/plain.log"
    gets "$plain/disk.vmdk?tag=stream" --stream --digest sha256
    same "$(wc -l <"$work/plain.log")" 1
    grep -q 'Range=' "$work/plain.log" && fail "a part was asked for"
    # goes on where a connection broke
    gets "$plain/disk.vmdk?reset=3000000&times=3&tag=stream" --stream
    gets "$plain/disk.raw?cut=3000000&times=3&tag=stream" --stream
    same "$(grep -c 'Range=bytes=[369]000000-' "$work/plain.log")" 3
    # ... but only where the server can
    refuses 3 "cannot go on at byte" "$plain/disk.raw?whole=1&cut=3000000&tag=stream" --stream
    refuses 3 "it was changed while it was read" "$plain/disk.raw?cut=3000000&swap=2&tag=a" --stream
    refuses 3 "connection" "$plain/disk.raw?cut=3000000&etag=&tag=b" --stream
}

tries_again() {
    gets "$plain/disk.raw?reset=300000&after=2&times=6"
    gets "$plain/disk.raw?cut=300000&after=2&times=6"
    gets "$plain/disk.raw?cut=0&after=6&times=6"
    gets "$plain/disk.raw?status=503&times=2"
    gets "$plain/disk.raw?status=500&after=5&times=3"
    gets "$plain/disk.raw?stall=300000&after=5&times=2" --timeout 1
    # every part breaks after 100,000 bytes, always: each try gets further
    gets "$plain/disk.raw?cut=100000" --requests 32
    start=$(date +%s)
    gets "$plain/disk.raw?status=429&retry-after=2&after=3&times=1"
    [ $(($(date +%s) - start)) -ge 2 ] || fail "Retry-After was not kept"
}

gives_up() {
    refuses 3 "HTTP status 404" "$plain/nothing"
    refuses 3 "HTTP status 403" "$plain/disk.raw?status=403&after=3"
    refuses 3 "HTTP status 503" "$plain/disk.raw?status=503&after=3" --timeout 1
    refuses 3 "HTTP status 429" "$plain/disk.raw?status=429&retry-after=3600&after=3" --timeout 1
    refuses 3 "connection" "$plain/disk.raw?reset=0&after=3" --timeout 1
    refuses 3 "no answer in time" "$plain/disk.raw?stall=0&after=3" --timeout 1
    refuses 3 "no answer in time" "$plain/disk.raw?stall=0" --timeout 1
    refuses 3 "Connection refused" http://127.0.0.1:1/disk.raw
    refuses 3 "host is not known" http://nowhere.invalid/disk.raw
}

# answers that do not fit are never written
notices_lies() {
    refuses 3 "another part" "$plain/disk.raw?shift=1&after=3"
    refuses 3 "was changed" "$plain/disk.raw?total=30000000&after=3"
    refuses 3 "bytes" "$plain/disk.raw?lie=-1&after=3"
    # what is noticed first depends on who asks first: the block that is cut short, or those behind it
    refuses 3 "cannot read" "$plain/disk.raw?total=10000000000"
    grep -qE 'no such bytes|another part' "$work/err"
    # a server that calls the size unknown is read as a stream
    gets "$plain/disk.raw?total=*"
}

notices_changes() {
    refuses 3 "was changed while it was read" "$plain/disk.raw?swap=8"
    refuses 3 "was changed while it was read" "$plain/disk.raw?swap=8&tag=one" --requests 1
    # with a weak ETag the server cannot be asked, but the answer tells
    mkdir "$root/versions"
    cp "$root/disk.raw" "$root/versions/disk.raw"
    head -c 20000000 /dev/urandom >"$root/versions/disk.raw.new"
    refuses 3 "was changed while it was read" "$plain/versions/disk.raw?swap=8&etag=W/%22a%22"
}

resumes_the_same_version_only() {
    "$copy" --quiet --map "$work/http.map" "$plain/disk.raw?tag=resume" "$work/resumed"
    cmp "$root/disk.raw" "$work/resumed"
    "$copy" --map "$work/http.map" --resume "$plain/disk.raw?tag=resume" "$work/resumed" |
        grep 'were there already'
    mv "$root/disk.raw" "$root/disk.old"
    cp "$root/disk.raw.new" "$root/disk.raw"
    status=0
    "$copy" --quiet --map "$work/http.map" --resume "$plain/disk.raw?tag=resume" "$work/resumed" ||
        status=$?
    mv "$root/disk.old" "$root/disk.raw"
    same $status 1
    # a map is of one version even if nothing but the name tells
    "$copy" --quiet --map "$work/http.map" --resume "$plain/disk.raw?tag=resume" "$work/resumed"
    cmp "$root/disk.raw" "$work/resumed"
}

# The map of a stream: it is read again from its start, what is there is kept, the rest is written.
continues_streams() {
    cd "$work"
    "$copy" --quiet --map stream.map --verify "$plain/disk.vmdk?tag=map" streamed --stream
    cmp rounded streamed
    "$copy" --quiet --map disk.map "$root/disk.vmdk" want
    same "$("$copy" --show-map stream.map | sed -n 's/.* map //p')" \
        "$("$copy" --show-map disk.map | sed -n 's/.* map //p')"
    # somebody changed a block, and a part of the map is not there
    printf 'other' | dd of=streamed bs=1 seek=5000000 conv=notrunc oflag=seek_bytes status=none
    "$copy" --map stream.map --resume "$plain/disk.vmdk?tag=map" streamed --stream >log
    cmp rounded streamed
    grep 'were there already' log
    grep '1.0 MiB had been changed' log
    # killed in the middle
    "$copy" --quiet --map cut.map "$plain/disk.vmdk?rate=8000000" cut --stream &
    pid=$!
    wait_until 20 has_blocks cut.map
    kill -KILL $pid
    wait $pid || true
    printf 'x' | dd of=cut bs=1 seek=20971000 conv=notrunc oflag=seek_bytes status=none
    "$copy" --map cut.map --resume --verify "$plain/disk.vmdk?rate=800000000" cut --stream >log
    cat log
    cmp rounded cut
    grep 'were there already' log
    # standard input is no other
    "$copy" --quiet --map stdin.map --verify - out <"$root/disk.vmdk"
    cmp rounded out
    "$copy" --map stdin.map --resume - out <"$root/disk.vmdk" | grep 'were there already'
    # a stream without a size at its start has no map
    status=0
    "$copy" --quiet --map raw.map - out <"$root/disk.raw" 2>err || status=$?
    same $status 2
}

has_blocks() {
    "$copy" --show-map "$1" 2>/dev/null | grep -q 'data$'
}

hides_latency() {
    # 21 requests of 1 MiB with 50 ms each are more than a second if done one by one
    start=$(date +%s%N)
    gets "$plain/disk.raw?delay=50" --requests 1
    one=$((($(date +%s%N) - start) / 1000000))
    start=$(date +%s%N)
    gets "$plain/disk.raw?delay=50"
    many=$((($(date +%s%N) - start) / 1000000))
    echo "$one ms one by one, $many ms together"
    [ "$one" -ge 1000 ] || fail "one by one took only $one ms"
    [ "$many" -lt $((one / 2)) ] || fail "$many ms, one by one $one ms"
}

stops_when_told() {
    "$copy" --quiet "$plain/disk.raw?rate=100000" "$work/out" 2>"$work/err" &
    pid=$!
    wait_until 10 grep -q 'rate=100000 .*Range=bytes=1048576' "$work/plain.log"
    kill -TERM $pid
    start=$(date +%s)
    status=0
    wait $pid || status=$?
    same $status 1
    [ $(($(date +%s) - start)) -le 5 ] || fail "it did not stop"
}

serve_nginx() {
    command -v nginx >/dev/null || skip "no nginx"
    mkdir "$work/nginx"
    cat >"$work/nginx/conf" <<END
daemon off;
pid $work/nginx/pid;
error_log $work/nginx/error.log;
worker_processes 1;
events { worker_connections 200; }
http {
    access_log $work/nginx/access.log;
    client_body_temp_path $work/nginx/body;
    proxy_temp_path $work/nginx/proxy;
    fastcgi_temp_path $work/nginx/fastcgi;
    uwsgi_temp_path $work/nginx/uwsgi;
    scgi_temp_path $work/nginx/scgi;
    server {
        listen unix:$work/nginx/socket;
        listen 127.0.0.1:$1 ssl;
        ssl_certificate $work/tls/server.crt;
        ssl_certificate_key $work/tls/server.key;
        root $root;
        location /whole/ { alias $root/; max_ranges 0; }
    }
}
END
    nginx -c "$work/nginx/conf" -e "$work/nginx/error.log" &
    nginx_pid=$!
    echo "kill $nginx_pid" >>"$work/cleanups"
    wait_until 10 test -s "$work/nginx/pid"
}

# A port that was free a moment ago; nginx cannot choose one itself.
free_port() {
    python3 -c 'import socket
s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

copies_from_nginx() {
    port=$(free_port)
    chmod 755 "$work"
    serve_nginx "$port"
    gets "https://127.0.0.1:$port/disk.raw" --ca-file "$work/tls/ca.crt"
    gets "https://127.0.0.1:$port/disk.vmdk" --ca-file "$work/tls/ca.crt"
    gets "https://127.0.0.1:$port/whole/disk.vmdk" --ca-file "$work/tls/ca.crt"
    : >"$root/empty"
    "$copy" --quiet --insecure "https://127.0.0.1:$port/empty" "$work/empty"
    [ "$(stat -c %s "$work/empty")" = 0 ]
    refuses 3 "HTTP status 404" "https://127.0.0.1:$port/nothing" --insecure
    grep -c '"GET /disk.raw HTTP/1.1" 206' "$work/nginx/access.log"
}

plan 18
it "copies every form" copies_all_forms
it "copies every size" copies_sizes
it "refuses images that need a file" refuses_what_needs_a_file
it "uses many connections" uses_many_connections
it "sends credentials" sends_credentials
it "follows redirects, without credentials to other hosts" follows_redirects
it "trusts authorities and thumbprints" trusts_the_right_servers
it "reads servers without ranges front to back" reads_servers_without_ranges
it "streams by one request" streams_by_one_request
it "tries again what may pass" tries_again
it "gives up with the reason" gives_up
it "notices lies" notices_lies
it "notices changes" notices_changes
it "resumes the same version only" resumes_the_same_version_only
it "continues streams by their map" continues_streams
it "hides latency" hides_latency
it "stops when told" stops_when_told
it "copies from nginx" copies_from_nginx
finish
