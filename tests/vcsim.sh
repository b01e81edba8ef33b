#!/bin/sh
# The fake vCenter beside vcsim, gantry's client against vcsim, and govc against the fake.  The two
# programs are built once, of Debian's govmomi, and kept in $GANTRY_VCSIM or the build folder.
. "$(dirname "$0")/functions.sh"
requires python3 "it compares answers"
requires openssl "servers need a certificate"
requires curl "it asks whether a server is there"
tools=${GANTRY_VCSIM:-$BUILD/vcsim}
reason=$("$source_root/tests/fakes/vcsim/build" "$tools" 2>&1) || built=no
[ -x "$tools/vcsim" ] || skip_all "$reason"
unset http_proxy https_proxy HTTP_PROXY HTTPS_PROXY all_proxy ALL_PROXY
user=administrator@vsphere.local
password='a<b&c"d'
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout "$work/key.pem" \
    -out "$work/cert.pem" -days 2 -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1 2>/dev/null
mkdir -p "$work/datastore" "$work/tmp"
export TMPDIR="$work/tmp"

# vcsim NAME ARGUMENT...: its URL is in $work/NAME.url
vcsim() {
    vcsim_name=$1
    shift
    "$tools/vcsim" -username "$user" -password "$password" "$@" >"$work/$vcsim_name.url" 2>"$work/$vcsim_name.err" &
    cleanup_fn kill $!
    wait_until 60 test -s "$work/$vcsim_name.url"
}

# fake NAME ARGUMENT...
fake() {
    fake_name=$1
    shift
    mkfifo "$work/$fake_name.in"
    "$BUILD/tests/fake-vcenter" --task-ms 20 --shutdown-ms 50 "$@" <"$work/$fake_name.in" \
        >"$work/$fake_name.url" 2>"$work/$fake_name.err" &
    cleanup_fn kill $!
    # held open until the test ends
    eval "exec $fake_fd>$work/$fake_name.in"
    fake_fd=$((fake_fd + 1))
    wait_until 20 test -s "$work/$fake_name.url"
}
fake_fd=7

url() {
    head -n 1 "$work/$1.url"
}

answers_as_vcsim_does() {
    python3 "$source_root/tests/fakes/vcsim/compare.py" "$(url fake)" "$(url vcsim)" "$user" "$password"
}

moves_between_states_of_vcsim() {
    "$BUILD/tests/vsphere-client" "$(url vcsim)" "$user" "$password" | tee "$work/client"
    contains "$(cat "$work/client")" "snapshots left: 0"
}

moves_between_states_of_a_host() {
    "$BUILD/tests/vsphere-client" "$(url esx)" "$user" "$password" esxi
}

pins_a_certificate_by_sha256() {
    pin=$(openssl x509 -in "$work/cert.pem" -noout -fingerprint -sha256 | cut -d= -f2)
    "$BUILD/tests/vsphere-client" "$(url tls)" "$user" "$password" vcenter "$pin"
    other=$(echo "$pin" | tr 0-9A-F 1-9A-F0)
    ! "$BUILD/tests/vsphere-client" "$(url tls)" "$user" "$password" vcenter "$other" >"$work/refused"
    contains "$(cat "$work/refused")" thumbprint
}

govc() {
    GOVC_URL=$(url fake) GOVC_USERNAME=$user GOVC_PASSWORD=$password GOVC_INSECURE=1 \
        GOVC_PERSIST_SESSION=false GOVC_DATACENTER=DC HOME="$work" "$tools/govc" "$@"
}

needs_govc() {
    [ -x "$tools/govc" ] || skip "$reason"
}

govc_sees_the_inventory() {
    needs_govc
    contains "$(govc about)" "fake"
    contains "$(govc find / -type m)" /DC/vm/web
    contains "$(govc ls /DC/vm)" /DC/vm/web
    contains "$(govc ls -l /DC/host)" ClusterComputeResource
    contains "$(govc vm.info web)" "Debian"
    contains "$(govc vm.info -json web | tr -d ' \n')" '"InstanceUuid":"50000000'
    contains "$(govc datastore.info ds)" ds
    contains "$(govc host.info /DC/host/*)" "esx" || contains "$(govc find / -type h)" esx
}

govc_switches_and_snapshots() {
    needs_govc
    govc vm.power -off web
    contains "$(govc vm.info web)" poweredOff
    govc vm.power -on web
    contains "$(govc vm.info web)" poweredOn
    govc snapshot.create -vm web -m=false one
    contains "$(govc snapshot.tree -vm web)" one
    govc snapshot.remove -vm web one
    [ -z "$(govc snapshot.tree -vm web)" ]
    govc vm.power -off web
}

govc_reads_datastores() {
    needs_govc
    contains "$(govc datastore.ls -ds ds web)" web-flat.vmdk
    govc datastore.download -ds ds web/web-flat.vmdk "$work/downloaded"
    same "$(sha256sum <"$work/downloaded")" "$(sha256sum <"$work/datastore/web/web-flat.vmdk")"
}

vcsim vcsim
vcsim esx -esx
vcsim tls -tlscert "$work/cert.pem" -tlskey "$work/key.pem"
fake fake --dir "$work/datastore" --machine "name=web,disk=2Mi,memory=64,nic=VirtualVmxnet3"
plan 7
it "answers every call as vcsim does" answers_as_vcsim_does
it "gantry logs in, reads, switches and makes snapshots at vcsim" moves_between_states_of_vcsim
it "does the same at a single host" moves_between_states_of_a_host
it "pins a certificate by its SHA-256" pins_a_certificate_by_sha256
it "govc sees the fake's inventory" govc_sees_the_inventory
it "govc switches the fake's machines and makes snapshots" govc_switches_and_snapshots
it "govc reads the fake's datastores" govc_reads_datastores
finish
