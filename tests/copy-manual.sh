#!/bin/sh
# The manual page of gantry-copy: its examples run, and it names every option there is.
. "$(dirname "$0")/functions.sh"
requires qemu-img "the examples copy a VMDK"
page=$source_root/doc/man/gantry-copy.1.pod
PATH=$bin:$PATH
export PATH

runs_examples() {
    cd "$work"
    head -c 3000000 /dev/urandom >raw
    truncate -s 4M raw
    qemu-img convert -f raw -O vmdk -o subformat=streamOptimized raw disk.vmdk
    tar --format=ustar -cf vm.ova disk.vmdk
    sed -n '/^=head1 EXAMPLES/,/^=head1 OPTIONS/s/^ //p' "$page" >examples
    [ "$(grep -c gantry-copy examples)" -ge 6 ] || fail "no examples found"
    set -x
    while IFS= read -r line; do
        sh -c "$line" </dev/null || fail "$line"
    done <examples
    cmp raw disk.raw
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
