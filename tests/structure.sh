#!/bin/sh
# The house: rooms use only those above them, a library has one door, nothing forbidden is called.
. "$(dirname "$0")/functions.sh"
cd "$source_root" || exit 1

rooms='base data lang net disk kube apiserver source inventory validation hook move node cli main'

# "ROOM header" for every project header that a room includes.
rooms_keep_their_order() {
    bad=0
    allowed=
    for room in $rooms; do
        allowed="$allowed $room"
        git ls-files "src/$room/*.[ch]" | xargs -r grep -ho '^#include "[a-z_]*/' | sort -u |
            sed 's/.*"//; s,/,,' >"$work/used"
        while read -r used; do
            case " $allowed " in
            *" $used "*) ;;
            *)
                echo "$room uses $used, which lies below it"
                git grep -n "^#include \"$used/" -- "src/$room" | head -5
                bad=1
                ;;
            esac
        done <"$work/used"
    done
    return $bad
}

# door ROOM HEADER-PATTERN
door() {
    others=$(git grep -lE "^#include <($2)" -- src ':!fuzz' | grep -v "^src/$1/" || true)
    [ -z "$others" ] || fail "$2 is included outside src/$1: $others"
}

libraries_have_one_door() {
    door data 'jansson\.h|yaml\.h|libxml/'
    door net 'curl/|openssl/|zlib\.h'
    door disk 'libnbd\.h|libdeflate\.h|archive\.h|xxhash\.h|zstd\.h|liburing\.h'
    door apiserver 'sqlite3\.h'
    door node 'libvirt/'
    door lang 'gmp\.h|re2/|nettle/'
}

# One file speaks C++, for the library that has no other language.
cplusplus_stays_behind_its_shim() {
    [ "$(git ls-files '*.cc' '*.cpp' '*.cxx' '*.hh')" = src/lang/re2_shim.cc ]
    [ "$(git grep -lE '^#include <re2/')" = src/lang/re2_shim.cc ]
    [ "$(git grep -l '^#include "lang/re2_shim.h"' -- src ':!src/lang/re2_shim.cc')" = src/lang/regex.c ]
}

no_banned_function_is_called() {
    if git grep -nE '(^|[^_a-zA-Z.>])(strcpy|strcat|sprintf|atoi|system|alloca|gets|popen)\(' \
        -- 'src/*.c'; then
        return 1
    fi
}

files_stay_readable() {
    git ls-files 'src/*.c' 'src/*.h' | xargs wc -l |
        awk '$2 != "total" && $1 > 1000 {print $2, "has", $1, "lines"; bad = 1} END {exit bad}'
}

headers_begin_with_their_job() {
    bad=0
    for header in $(git ls-files 'src/*.h'); do
        case $(head -c 2 "$header") in
        '/*') ;;
        *) echo "$header has no comment at its top"; bad=1 ;;
        esac
        grep -q '^#pragma once' "$header" || { echo "$header has no #pragma once"; bad=1; }
    done
    return $bad
}

headers_stand_alone() {
    git ls-files 'src/*.h' | while read -r header; do
        echo "#include \"${header#src/}\"" >"$work/one.c"
        ${CC:-cc} -std=gnu17 -D_GNU_SOURCE -Isrc $(pkg-config --cflags libxml-2.0) \
            -fsyntax-only "$work/one.c" || exit 1
    done
}

# With two of one name it is chance which of them a program gets.
names_are_used_once() {
    requires nm "it lists the functions of libraries"
    for library in "$BUILD"/src/*/lib*.a; do
        nm --defined-only "$library" 2>/dev/null | awk '$2 ~ /^[TDBR]$/ {print $3}' | sort -u
    done | sort | uniq -d >"$work/twice"
    cat "$work/twice"
    [ ! -s "$work/twice" ]
}

plan 8
it "rooms use only rooms above them" rooms_keep_their_order
it "each library has one door" libraries_have_one_door
it "C++ stays behind its shim" cplusplus_stays_behind_its_shim
it "no banned function is called" no_banned_function_is_called
it "no source file grows past 1,000 lines" files_stay_readable
it "every header begins with its job" headers_begin_with_their_job
it "every header stands alone" headers_stand_alone
it "no two libraries share a name" names_are_used_once
finish
