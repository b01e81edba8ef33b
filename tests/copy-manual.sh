#!/bin/sh
# The manual page of gantry-copy: its examples run, and it names every option there is.
. "$(dirname "$0")/functions.sh"
requires qemu-img "the examples copy a VMDK"
requires nbdkit "some examples copy from NBD to NBD"
requires openssl "one example needs a thumbprint"
unset https_proxy HTTPS_PROXY all_proxy ALL_PROXY
page=$source_root/doc/man/gantry-copy.1.pod
PATH=$bin:$PATH
export PATH

# Servers for the examples that need some: SERVER over HTTPS, FROM and TO over NBD.
start_servers() {
    mkfifo hold
    "$BUILD/tests/range-server" --root . --tls . <hold >port &
    exec 7>hold
    wait_until 20 test -s port
    SERVER=https://127.0.0.1:$(cat port)
    THUMBPRINT=$(openssl x509 -in server.crt -noout -fingerprint -sha256 | cut -d= -f2)
    printf 'secret\n' >password
    cp raw nbd.from
    truncate -s 4M nbd.to
    for side in from to; do
        nbdkit -U "$work/$side.sock" -P "$work/$side.pid" file "nbd.$side"
        echo "kill $(cat "$work/$side.pid")" >>"$work/cleanups"
    done
    FROM="nbd+unix:///?socket=$work/from.sock"
    TO="nbd+unix:///?socket=$work/to.sock"
    export SERVER THUMBPRINT FROM TO
}

runs_examples() {
    cd "$work"
    head -c 3000000 /dev/urandom >raw
    truncate -s 4M raw
    qemu-img convert -f raw -O vmdk -o subformat=streamOptimized raw disk.vmdk
    tar --format=ustar -cf vm.ova disk.vmdk
    start_servers
    sed -n '/^=head1 EXAMPLES/,/^=head1 OPTIONS/s/^ //p' "$page" >examples
    [ "$(grep -c gantry-copy examples)" -ge 6 ] || fail "no examples found"
    set -x
    while IFS= read -r line; do
        sh -c "$line" </dev/null || fail "$line"
    done <examples
    cmp raw disk.raw
    cmp raw streamed.raw
    cmp raw nbd.to
}

names_all_options() {
    gantry-copy --help | sed -n 's/^  \(--[a-z-]*\).*/\1/p' >"$work/options"
    [ "$(wc -l <"$work/options")" -gt 30 ] || fail "no options found"
    while IFS= read -r option; do
        case $option in --help | --version) continue ;; esac
        grep -q -e "B<$option>\|B<$option=" "$page" || fail "the manual does not name $option"
    done <"$work/options"
}

is_well_formed() {
    command -v podchecker >/dev/null || skip "no podchecker"
    podchecker "$page"
}

plan 3
it "runs the examples" runs_examples
it "names all options" names_all_options
it "is well-formed" is_well_formed
finish
