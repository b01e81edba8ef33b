# What the shell tests share.  Each test sources it first:
#
#     . "$(dirname "$0")/functions.sh"
#     requires qemu-img "tests compare with it"
#     requires_root
#     plan 2
#     it "copies an empty disk" copies_an_empty_disk
#
# A test gets the build folder in $BUILD, the programs in $bin, a private folder in $work that is
# removed at the end, and prints TAP.  cleanup_fn COMMAND... runs at the end, last first.
set -u

source_root=$(cd "$(dirname "$0")" && while [ ! -f meson_options.txt ] && [ ! -f bootstrap ] &&
    [ "$PWD" != / ]; do cd ..; done && pwd)
BUILD=${BUILD:-$source_root/build}
bin=$BUILD/src/main
shared_dir=${GANTRY_SHARED:-$source_root/../shared}
work=$(mktemp -d "${TMPDIR:-/tmp}/gantry-test.XXXXXX")
test_number=0
tests_failed=0

# In a file, so that tests, which run in subshells, can add to it.
cleanup_fn() {
    echo "$*" >>"$work/cleanups"
}

run_cleanups() {
    status=$?
    [ ! -f "$work/cleanups" ] || tac "$work/cleanups" | while IFS= read -r command; do
        eval "$command" >/dev/null 2>&1
    done
    rm -rf "$work"
    exit $status
}
trap run_cleanups EXIT
trap 'exit 130' INT TERM

# Ends the whole test as skipped.
skip_all() {
    echo "1..0 # SKIP $*"
    exit 0
}

# requires PROGRAM REASON
requires() {
    command -v "$1" >/dev/null 2>&1 || skip_all "no $1: $2"
}

requires_root() {
    [ "$(id -u)" = 0 ] || skip_all "needs root"
}

requires_shared() {
    [ -d "$shared_dir" ] || skip_all "no shared reference data beside the project"
}

plan() {
    echo "1..$1"
}

# it "does something" FUNCTION [ARG...]: one test, in a shell of its own that stops at the first
# failing command; what it prints is shown when it fails.
it() {
    test_number=$((test_number + 1))
    title=$1
    shift
    # no && or if around the subshell: they would switch set -e off inside
    (
        trap - EXIT
        set -e
        "$@"
    ) >"$work/it.log" 2>&1
    it_status=$?
    case $it_status in
    0) echo "ok $test_number - $title" ;;
    77) echo "ok $test_number - $title # SKIP $(tail -n 1 "$work/it.log")" ;;
    *)
        sed 's/^/# /' "$work/it.log"
        echo "not ok $test_number - $title"
        tests_failed=$((tests_failed + 1))
        ;;
    esac
}

# Inside a test: ends it as skipped.
skip() {
    echo "$*"
    exit 77
}

fail() {
    echo "$*" >&2
    return 1
}

# same GOT WANT
same() {
    [ "$1" = "$2" ] || fail "got \"$1\", not \"$2\""
}

# contains TEXT PART
contains() {
    case $1 in
    *"$2"*) ;;
    *) fail "\"$1\" does not contain \"$2\"" ;;
    esac
}

# wait_until SECONDS COMMAND...: until it succeeds; fails after the deadline.
wait_until() {
    wait_end=$(($(date +%s) + $1))
    shift
    until "$@"; do
        if [ "$(date +%s)" -ge "$wait_end" ]; then
            fail "still not true: $*"
            return 1
        fi
        sleep 0.1
    done
}

finish() {
    [ "$tests_failed" = 0 ]
    exit
}
