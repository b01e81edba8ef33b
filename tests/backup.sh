#!/bin/sh
# gantry backup, restore and rotate-key, while gantry runs and when its database is damaged.
. "$(dirname "$0")/functions.sh"
. "$(dirname "$0")/e2e/home.sh"
requires_root
requires kubectl "tests talk to the API with it"

api=$work/home/api
gantry() { "$bin/gantry" "$@" --dir "$work/home"; }
data() { kubectl get "$1" "$2" -o "jsonpath={.data.$3}" --ignore-not-found; }
mode() { stat -c %a "$1"; }

makes_a_backup() {
    kubectl create cm kept --from-literal=a=1
    kubectl create secret generic s --from-literal=a=hidden-text
    contains "$(gantry backup "$work/b")" "$work/b.key"
    same "$(mode "$work/b") $(mode "$work/b.key")" "600 600"
    ! grep -q hidden-text "$work/b" || fail "a secret lies open in the backup"
    ! grep -q "$(echo hidden-text | head -c 11 | base64 | cut -c1-12)" "$work/b"
    [ ! -e "$api/backup" ]
    ! gantry backup "$work/b" || fail "a backup was written over"
}

restores_it_meanwhile() {
    kubectl create cm later --from-literal=a=1
    kubectl patch cm kept --type=merge -p '{"data":{"a":"2"}}'
    kubectl delete secret s
    contains "$(gantry restore "$work/b")" "restored: "
    same "$(data cm kept a) $(data secret s a | base64 -d) $(data cm later a)" "1 hidden-text "
    same "$(mode "$api/before-restore/state.db")" 600
}

rotates_the_key() {
    before=$(cat "$api/pki/store.key")
    gantry rotate-key
    [ "$before" != "$(cat "$api/pki/store.key")" ]
    same "$(data secret s a | base64 -d)" hidden-text
    contains "$(gantry restore "$work/b")" "restored: " # sealed with the key of its time
    same "$(data secret s a | base64 -d)" hidden-text
}

says_what_to_do_about_damage() {
    "$bin/gantry" down --dir "$work/home"
    dd if=/dev/urandom of="$api/state.db" bs=4096 seek=1 count=8 conv=notrunc status=none
    if gantry up >"$work/out" 2>&1; then
        cat "$work/out"
        return 1
    fi
    contains "$(cat "$work/out")" "is damaged"
    contains "$(cat "$work/out")" "gantry restore FILE"
    contains "$(gantry restore "$work/b")" 'the next "gantry up"'
    ASAN_OPTIONS=detect_leaks=0 gantry up
    same "$(data cm kept a) $(data secret s a | base64 -d)" "1 hidden-text"
    ls -d "$api"/replaced-*/state.db
}

refuses_what_is_no_backup() {
    echo nonsense >"$work/n"
    cp "$work/b.key" "$work/n.key"
    ! gantry restore "$work/n" 2>"$work/err" || return 1
    contains "$(cat "$work/err")" "damaged"
    ! gantry restore "$work/none" 2>"$work/err" || return 1
    contains "$(cat "$work/err")" 'no key "'
    cp "$work/b" "$work/other"
    echo "7 $(head -c 32 /dev/zero | base64)" >"$work/other.key"
    ! gantry restore "$work/other" 2>"$work/err" || return 1
    contains "$(cat "$work/err")" "which the key file does not have"
    same "$(data cm kept a)" 1
}

plan 5
home_up
it "backup writes a file and its key, secrets sealed" makes_a_backup
it "restore puts it back while gantry runs" restores_it_meanwhile
it "rotate-key seals with a new key, and old backups keep theirs" rotates_the_key
it "a damaged database is found, and replaced by a backup" says_what_to_do_about_damage
it "restore refuses what is no backup, and changes nothing" refuses_what_is_no_backup
finish
