#!/bin/sh
# The password and the session cookies of a vCenter while a machine is moved: in no log, event,
# condition, object but Secrets, command line, environment of a process, database, or core dump.
. "$(dirname "$0")/functions.sh"
. "$(dirname "$0")/e2e/home.sh"
. "$(dirname "$0")/e2e/vcenter.sh"
home_requires
requires openssl "the fake vCenter needs a certificate"
requires curl "tests steer the fake vCenter with it"
export PRECOPY_INTERVAL=1s
ulimit -c unlimited 2>/dev/null || true
cd "$work"
home_up
nic=nic=VirtualVmxnet3
vcenter_up --task-ms 50 --shutdown-ms 200 \
    --machine "name=web,disk=16Mi,memory=64,$nic"
vc "write?vm=web&disk=0&percent=40" >/dev/null
vsphere_provider vc >/dev/null
vsphere_maps vc >/dev/null
# As it is, as XML, JSON and a URL have it, as a Secret and HTTP's basic authorisation have it.
{
    printf '%s\n' "$vc_password" 'a&lt;b&amp;c' 'a<b&c\"d' 'a%3Cb%26c' secret-cookie
    printf '%s' "$vc_password" | base64
    printf '%s:%s' "$vc_user" "$vc_password" | base64 -w0 | cut -c 1-60
} >"$work/secrets"

# None of the secrets is in what comes in; WHAT names it.
has_no_secret() {
    ! grep -aFf "$work/secrets" >"$work/found" || fail "a secret is in $1: $(head -c 200 "$work/found")"
}

shows_nothing_while_it_copies() {
    new_plan web vc "[{name: web}]" "type: warm"
    wait_until 60 has_condition plan web Ready
    vc "fault?set=file-locked" # the importer tries on and on
    migrate web
    wait_until 60 importer_runs
    for process in /proc/[0-9]*; do
        name=$(tr '\0' ' ' <"$process/cmdline" 2>/dev/null) || continue
        case $name in
        *fake-vcenter*) continue ;;
        esac
        echo "$name" | has_no_secret "a command line"
        case $name in
        *gantry* | bwrap*) tr '\0' '\n' 2>/dev/null <"$process/environ" |
            has_no_secret "the environment of $name" ;;
        esac
    done
}

importer_runs() {
    [ -n "$(processes "gantry-copy .*--progress=json")" ]
}

leaves_no_core_dump() {
    (
        cd "$work" && mkdir -p control && cd control || exit 1
        sleep 60 &
        kill -SEGV $!
        wait $! || true
    )
    find "$work/control" -name 'core*' | grep -q . ||
        skip "this machine writes no core files into the working folder"
    case $(meson_option b_sanitize) in
    *address*) skip "the sanitizer's leak check needs a process that can be traced" ;;
    esac
    # shellcheck disable=SC2046
    kill -SEGV $(processes "gantry-copy .*--progress=json")
    kill -SEGV "$(pgrep -f "gantryd .*--dir $work/home" | head -n 1)"
    wait_until 20 is_down
    ! find "$work" -name 'core*' -newer "$work/secrets" -not -path '*/control/*' | grep . ||
        fail "a core was written"
    "$bin/gantry" up --dir "$work/home"
}

is_down() {
    ! pgrep -f "gantryd .*--dir $work/home" >/dev/null
}

meson_option() {
    grep -o "\"name\": \"$1\", \"value\": \"[^\"]*\"" "$BUILD/meson-info/intro-buildoptions.json" ||
        true
}

shows_nothing_afterwards() {
    vc fault
    wait_until 90 has_precopies web 1
    vc "fault?set=expire-session@3"
    cutover web
    ends web Succeeded 90
    has_no_secret "gantryd's log" <"$work/home/gantryd.log"
    find "$work/home/node" -name '*.log' -o -name '*.json' | while read -r file; do
        has_no_secret "$file" <"$file"
    done
    kubectl get events,plans,migrations,providers,hosts,pods,jobs,configmaps,pvc,pv,vm,vmi,networkmaps,storagemaps \
        -A -o yaml | has_no_secret "an object"
    kubectl describe plan,migration,provider -A | has_no_secret "a description"
    for file in "$work"/home/*.db* "$work"/home/*.sqlite*; do
        [ ! -f "$file" ] || has_no_secret "$file" <"$file"
    done
    same "$(helpers to-web)" 0
}

plan 3
it "shows no secret while it copies" shows_nothing_while_it_copies
it "leaves no core dump" leaves_no_core_dump
it "shows no secret afterwards" shows_nothing_afterwards
finish
