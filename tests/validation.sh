#!/bin/sh
# Validation with a gantry at home: concerns beside machines, users' rules, OPA's contract; and the
# inventory's queries and watches, asked by curl, kubectl and the command line.
. "$(dirname "$0")/functions.sh"
. "$(dirname "$0")/e2e/home.sh"
. "$(dirname "$0")/e2e/vcenter.sh"
home_requires
requires openssl "the fake vCenter needs a certificate"
requires curl "tests ask the REST services with it"
home_up

ova "$work/share" good-one 1 --network "VM Network"
ova "$work/share" bad_name 1 --network "VM Network"
provider share "$work/share" >/dev/null
wait_until 30 has_condition provider share Ready

token=$(sed -n 's/^ *token: *"\{0,1\}\([^"]*\)"\{0,1\}$/\1/p' "$KUBECONFIG" | head -n 1)
server=$(sed -n 's/^ *server: *"\{0,1\}\([^"]*\)"\{0,1\}$/\1/p' "$KUBECONFIG" | head -n 1)
uid=$(kubectl get provider share -n $NS -o 'jsonpath={.metadata.uid}')

# ask PATH [CURL OPTION...]
ask() {
    ask_path=$1
    shift
    curl -sk -H "Authorization: Bearer $token" "$@" "$server$ask_path"
}

# of a machine of the vCenter: vc_vm EXPRESSION
vc_vm() {
    ask "/providers/vsphere/$vc_uid/vms?name=web" |
        python3 -c "import json,sys; v = json.load(sys.stdin)[0]; print($1)"
}

vc_vm_is() {
    [ "$(vc_vm "$1")" = "$2" ]
}

# status_of PATH [CURL OPTION...]
status_of() {
    status_path=$1
    shift
    ask "$status_path" -o /dev/null -w '%{http_code}' "$@"
}

# vm NAME EXPRESSION: the expression of a machine (v) in Python
vm() {
    ask "/providers/ova/$uid/vms?detail=2&name=$1" |
        python3 -c "import json,sys; v = json.load(sys.stdin)[0]; print($2)"
}

vm_is() {
    [ "$(vm "$1" "$2")" = "$3" ]
}

concerns_are_beside_the_machine() {
    wait_until 20 vm_is bad_name '[c["id"] for c in v["concerns"]]' "['ova.name.invalid']"
    same "$(vm bad_name 'v["policyVersion"]')" 5
    same "$(vm bad_name 'v["revisionValidated"]')" 1
    same "$(vm good-one 'v["concerns"]')" "[]"
}

answers_as_opa_does() {
    same "$(ask /v1/data/io/konveyor/forklift/ova/rules_version)" \
        '{"result":{"rules_version":5}}'
    answer=$(ask /v1/data/io/konveyor/forklift/vmware/validate \
        -d '{"input": {"name": "web", "tpmEnabled": true}}')
    contains "$answer" '"id":"vmware.tpm.detected"'
    contains "$answer" '"errors":[]'
    contains "$answer" '"rules_version":5'
    same "$(ask /v1/data/no/such/document)" '{}'
    same "$(ask /v1/data/no/such/document -d '{}')" '{}'
    contains "$(ask '/v1/data/io/konveyor/forklift/ova/rules_version?pretty=true')" \
        '"rules_version": 5'
    contains "$(ask '/v1/data/io/konveyor/forklift/ova/validate?metrics' -d '{"input": {}}')" \
        counter_eval_steps
    contains "$(ask '/v1/data/io/konveyor/forklift/ova/validate?explain=full' -d '{"input": {}}')" \
        '"explanation":['
    contains "$(ask '/v1/data/io/konveyor/forklift/ova/concerns' -G \
        --data-urlencode 'input={"name": "a_b"}')" ova.name.invalid
}

refuses_what_opa_refuses() {
    same "$(status_of /v1/data/a -d '{"input": ')" 400
    contains "$(ask /v1/data/a -d '{"input": ')" '"code":"invalid_parameter"'
    same "$(status_of /v1/data/a -d '[]')" 400
    same "$(status_of /v1/data/a -X DELETE)" 405
    same "$(status_of /v1/policies)" 404
    same "$(curl -sk -o /dev/null -w '%{http_code}' "$server/v1/data")" 401
    head -c 104857600 /dev/zero | tr '\0' ' ' >"$work/big"
    same "$(status_of /v1/data/a --data-binary "@$work/big")" 413
    rm "$work/big"
}

# rules NAME TEXT: the ConfigMap NAME with one rule for OVA machines
rules() {
    kubectl create configmap "$1" -n $NS --from-literal=mine.rego="$2" --dry-run=client -o yaml |
        kubectl apply -f -
}

good='package io.konveyor.forklift.ova

has_disk { count(input.disks) > 0 }

concerns[flag] {
    has_disk
    flag := {"id": "mine", "category": "Warning", "label": "Has a disk", "assessment": "It has."}
}'
bad='package io.konveyor.forklift.ova

concerns[flag] {
    flag := {"id": "mine"}
    size > 3
}'

takes_users_rules_written_as_the_book_says() {
    rules forklift-validation-config "$good"
    wait_until 20 vm_is good-one '[c["id"] for c in v["concerns"]]' "['mine']"
    same "$(vm good-one 'v["policyVersion"]')" 6
    same "$(ask /v1/data/io/konveyor/forklift/ova/rules_version)" \
        '{"result":{"rules_version":6}}'
    wait_until 10 has_event RulesTaken
    wait_until 10 has_event RegoV0
}

has_event() {
    kubectl get events -n $NS | grep -q "$1.*configmap/$(map_name)"
}

map_name() {
    kubectl get forkliftcontroller -n $NS \
        -o 'jsonpath={.items[0].spec.validation_configmap_name}' 2>/dev/null | grep . ||
        echo forklift-validation-config
}

names_a_bad_rule_and_keeps_the_old_ones() {
    kubectl apply -f - <<YAML
apiVersion: forklift.konveyor.io/v1beta1
kind: ForkliftController
metadata: {name: forklift-controller, namespace: $NS}
spec: {feature_validation: "true"}
YAML
    rules forklift-validation-config "$bad"
    wait_until 20 has_condition provider share ValidationRulesNotValid
    contains "$(conditions provider share)" 'mine.rego'
    contains "$(conditions provider share)" 'line 5: var size is unsafe'
    has_condition provider share Ready
    wait_until 20 has_condition forkliftcontroller forklift-controller ValidationRulesNotValid
    contains "$(conditions forkliftcontroller forklift-controller)" 'line 5: var size is unsafe'
    wait_until 10 has_event RuleNotValid
    same "$(vm good-one '[c["id"] for c in v["concerns"]]')" "['mine']"
    rules forklift-validation-config "$good"
    wait_until 20 no_condition provider share ValidationRulesNotValid
    wait_until 20 no_condition forkliftcontroller forklift-controller ValidationRulesNotValid
    has_condition forkliftcontroller forklift-controller ValidationRulesOld
    same "$(vm good-one 'v["policyVersion"]')" 6
}

no_condition() {
    [ -z "$(condition "$@")" ]
}

restarting_what_users_were_told_to_is_harmless() {
    wait_until 10 kubectl get deployment -n $NS forklift-validation
    kubectl scale -n $NS --replicas=0 deployment/forklift-validation
    kubectl scale -n $NS --replicas=1 deployment/forklift-validation
    kubectl scale -n $NS --replicas=0 deployment/forklift-controller
    kubectl scale -n $NS --replicas=1 deployment/forklift-controller
    kubectl rollout restart -n $NS deployment/forklift-validation
    kubectl rollout status -n $NS --timeout=20s deployment/forklift-validation
    same "$(vm good-one '[c["id"] for c in v["concerns"]]')" "['mine']"
}

the_controller_names_another_configmap() {
    rules other-rules "$(printf '%s' "$good" | sed 's/"mine"/"other"/')"
    kubectl patch forkliftcontroller forklift-controller -n $NS --type=merge \
        -p '{"spec": {"validation_configmap_name": "other-rules"}}'
    wait_until 20 vm_is good-one '[c["id"] for c in v["concerns"]]' "['other']"
    same "$(vm good-one 'v["policyVersion"]')" 7
}

a_restart_loses_nothing() {
    restart
    wait_until 30 vm_is good-one '[c["id"] for c in v["concerns"]]' "['other']"
    same "$(vm good-one 'v["policyVersion"]')" 7
}

# restart: kill -9 and start again
restart() {
    pid=$(pgrep -f "gantryd --dir $work/home")
    kill -9 "$pid"
    # the lock is free when the process is gone
    wait_until 10 gone "$pid"
    ASAN_OPTIONS=detect_leaks=0 "$bin/gantry" up --dir "$work/home"
}

the_last_good_rules_survive_a_restart_with_bad_ones() {
    rules other-rules "$bad"
    wait_until 20 has_condition provider share ValidationRulesNotValid
    restart
    same "$(ask /v1/data/io/konveyor/forklift/ova/rules_version)" \
        '{"result":{"rules_version":7}}'
    contains "$(ask /v1/data/io/konveyor/forklift/ova/concerns \
        -d '{"input": {"name": "x", "disks": [1]}}')" '"id":"other"'
    wait_until 30 has_condition provider share ValidationRulesNotValid
    wait_until 30 vm_is good-one '[c["id"] for c in v["concerns"]]' "['other']"
    same "$(vm good-one 'v["policyVersion"]')" 7
    # what the commands show is what is in force
    contains "$("$bin/gantry" policy explain share/good-one --dir "$work/home")" \
        "rule mine.rego:5 because of"
    contains "$("$bin/gantry" policy list --dir "$work/home")" "mine.rego:5"
    rules other-rules "$(printf '%s' "$good" | sed 's/"mine"/"other"/')"
    wait_until 20 no_condition provider share ValidationRulesNotValid
    same "$(vm good-one 'v["policyVersion"]')" 7
}

gone() {
    ! kill -0 "$1" 2>/dev/null
}

# Rules that are in a folder are explained and listed as those of the ConfigMap are.
a_folder_of_rules_is_in_force_and_explained() {
    mkdir "$work/rules"
    printf '%s\n' "$good" | sed 's/"mine"/"folder"/' >"$work/rules/ours.rego"
    "$bin/gantry" down --dir "$work/home"
    ASAN_OPTIONS=detect_leaks=0 "$bin/gantry" up --dir "$work/home" --policy-dir "$work/rules"
    wait_until 30 vm_is good-one 'sorted(c["id"] for c in v["concerns"])' "['folder', 'other']"
    contains "$("$bin/gantry" policy explain share/good-one --dir "$work/home")" \
        "rule $work/rules/ours.rego:5 because of"
    contains "$("$bin/gantry" policy list --dir "$work/home")" "$work/rules/ours.rego:5"
    rm -r "$work/rules"
    wait_until 20 has_condition provider share ValidationRulesNotValid
    "$bin/gantry" down --dir "$work/home"
    ASAN_OPTIONS=detect_leaks=0 "$bin/gantry" up --dir "$work/home"
    wait_until 30 vm_is good-one 'sorted(c["id"] for c in v["concerns"])' "['other']"
}

# The controllers work on another API server; their folder is a new one after each start.
pod_up() {
    rm -rf "$work/pod"
    ASAN_OPTIONS=detect_leaks=0 "$bin/gantryd" --dir "$work/pod" --kubeconfig "$work/pod-api/kubeconfig" \
        --no-node >>"$work/pod.log" 2>&1 &
    pod_pid=$!
    cleanup_fn kill -9 $pod_pid
}

in_a_cluster() {
    KUBECONFIG=$work/pod-api/kubeconfig "$@"
}

kept_in_cluster() {
    in_a_cluster kubectl get configmap forklift-validation-in-force -n $NS \
        -o 'jsonpath={.data.rules\.json}' 2>/dev/null
}

is_kept_in_cluster() {
    kept_in_cluster | grep -q "$1"
}

in_a_cluster_rules_survive_the_pod_and_its_folder() {
    ASAN_OPTIONS=detect_leaks=0 "$bin/gantryd" --dir "$work/pod-api" --no-controllers --no-node \
        >"$work/pod-api.log" 2>&1 &
    api_pid=$!
    cleanup_fn kill -9 $api_pid
    wait_until 20 in_a_cluster kubectl get namespace $NS
    in_a_cluster rules forklift-validation-config "$good"
    in_a_cluster kubectl apply -f - <<YAML
apiVersion: forklift.konveyor.io/v1beta1
kind: ForkliftController
metadata: {name: forklift-controller, namespace: $NS}
spec: {feature_validation: "true"}
YAML
    pod_up
    wait_until 30 is_kept_in_cluster '"mine'
    kill -9 $pod_pid
    kept=$(kept_in_cluster)
    contains "$kept" '"revision":1,'
    in_a_cluster rules forklift-validation-config "$bad"
    pod_up
    wait_until 30 in_a_cluster has_condition forkliftcontroller forklift-controller \
        ValidationRulesNotValid
    same "$(kept_in_cluster)" "$kept"
    same "$(cat "$work/pod/validation/rules.json")" "$kept" # and in force
    kill -9 $pod_pid $api_pid
}

explains_a_machine_of_the_home() {
    text=$("$bin/gantry" policy explain bad_name --dir "$work/home")
    contains "$text" "ova.name.invalid"
    contains "$text" "rule policies/ova/name.rego:"
    contains "$text" 'input.name = "bad_name"'
    contains "$text" "rule mine.rego:5 because of"
    contains "$text" "2 concerns (rules for ova)"
    contains "$("$bin/gantry" policy explain share/good-one --dir "$work/home")" "1 concerns"
    if "$bin/gantry" policy explain share/none --dir "$work/home" 2>"$work/err"; then
        fail "there is no such machine"
    fi
    contains "$(cat "$work/err")" 'provider "share" has no machine "none"'
}

queries_the_inventory() {
    found=$(ask "/providers/ova/$uid/vms" -G --data-urlencode \
        "q=where name ~= '^good' and len(disks) = 1")
    contains "$found" '"name":"good-one"'
    case $found in *bad_name*) fail "bad_name is there: $found" ;; esac
    same "$(ask "/providers/ova/$uid/vms" -G --data-urlencode \
        'q=select name, warningConcerns as w order by name desc limit 1')" \
        '[{"name":"good-one","w":1}]'
    same "$(status_of "/providers/ova/$uid/vms" -G --data-urlencode 'q=name ==== 1')" 400
    same "$(ask "/providers/ova/$uid/networks" -G --data-urlencode \
        "q=select name where name = 'VM Network'")" '[{"name":"VM Network"}]'
}

lists_the_inventory_on_the_command_line() {
    table=$("$bin/gantry" get inventory vm share --dir "$work/home")
    contains "$table" "CONCERNS (C/W/I)"
    contains "$table" "0/2/0"
    same "$("$bin/gantry" get inventory vms -p share -q 'select name where warningConcerns > 1' \
        --dir "$work/home" | tail -n +3)" bad_name
    same "$("$bin/gantry" get inventory vm share -q "name = 'good-one'" -o json \
        --dir "$work/home" |
        python3 -c 'import json,sys; print([v["name"] for v in json.load(sys.stdin)])')" \
        "['good-one']"
    contains "$("$bin/gantry" get inventory vm share -o yaml --dir "$work/home")" "name: good-one"
    contains "$("$bin/gantry" get inventory vm share -o planvms --dir "$work/home")" \
        "name: good-one"
    contains "$("$bin/gantry" get inventory network share -o markdown --dir "$work/home")" \
        "| VM Network |"
    contains "$("$bin/gantry" get inventory storage share --dir "$work/home")" "Dummy storage"
    contains "$("$bin/gantry" get inventory provider --dir "$work/home")" "share"
    same "$("$bin/gantry" get inventory vm share -q "name = 'x'" -o json --dir "$work/home" \
        2>/dev/null)" "[]"
    if "$bin/gantry" get inventory vm share -q 'name = ' --dir "$work/home" 2>"$work/err"; then
        fail "a query without an end is taken"
    fi
    if "$bin/gantry" get inventory vm nobody --dir "$work/home" 2>"$work/err"; then
        fail "there is no such provider"
    fi
    contains "$(cat "$work/err")" 'no provider "nobody"'
}

watch_path() {
    echo "/providers/ova/$uid/vms"
}

watches_what_is_there_and_what_changes() {
    "$source_root/tests/ws-read" "$KUBECONFIG" "$(watch_path)" "X-Watch: snapshot" \
        --stop-after '"Action":64' --say-end >"$work/watch" &
    wait_until 10 grep -q '"Action":1,' "$work/watch"
    contains "$(head -n 1 "$work/watch")" '"Action":0,'
    same "$(grep -c '"Action":16,' "$work/watch")" 2
    ova "$work/share" third 1
    touch "$work/share"
    wait_until 60 grep -q '"Action":16,.*"name":"third"' "$work/watch"
    wait_until 20 grep -q '"Labels":\["VM-validated"\],"Action":32,' "$work/watch"
    rm "$work/share/third.ova"
    wait_until 60 grep -q closed "$work/watch"
    contains "$(grep '"Action":64,' "$work/watch")" '"name":"third"'
}

a_watch_without_snapshot_begins_with_parity() {
    "$source_root/tests/ws-read" "$KUBECONFIG" "$(watch_path)" "X-Watch: yes" \
        --stop-after '"Action":1,' >"$work/watch2"
    same "$(wc -l <"$work/watch2")" 2
    same "$(status_of "$(watch_path)" -H 'X-Watch: snapshot')" 400
    same "$(status_of /providers -H 'X-Watch: snapshot')" 400
}

a_deleted_provider_ends_its_watches() {
    "$source_root/tests/ws-read" "$KUBECONFIG" "$(watch_path)" "X-Watch: snapshot" \
        >"$work/watch3" &
    wait_until 10 grep -q '"Action":1,' "$work/watch3"
    kubectl delete provider share -n $NS
    wait_until 20 grep -q closed "$work/watch3"
    contains "$(tail -n 2 "$work/watch3")" '"Action":4,'
    same "$(status_of "$(watch_path)")" 404
}

follows_the_machines_of_a_vcenter() {
    vsphere_provider vc
    wait_until 30 has_condition provider vc Ready
    vc_uid=$(kubectl get provider vc -n $NS -o 'jsonpath={.metadata.uid}')
    wait_until 20 vc_vm_is '"vmware.changed_block_tracking.disabled" in
        [c.get("id") for c in v["concerns"]]' True
    revision=$(vc_vm 'v["revision"]')
    same "$(vc_vm 'v["revisionValidated"]')" "$revision"
    vc "add-disk?vm=web&bytes=8388608"
    wait_until 20 vc_vm_is "v['revision'] > $revision and v['revision'] == v['revisionValidated']" \
        True
    contains "$("$bin/gantry" policy explain vc/web --dir "$work/home")" \
        'input.changeTrackingEnabled = false'
    same "$("$bin/gantry" get inventory host vc -q 'select name limit 1' --dir "$work/home" |
        wc -l)" 3
}

plan 18
it "puts concerns beside the machine" concerns_are_beside_the_machine
it "answers as OPA does" answers_as_opa_does
it "refuses what OPA refuses, and what is too much" refuses_what_opa_refuses
it "takes users' rules as the book says, in v0" takes_users_rules_written_as_the_book_says
it "names a bad rule and keeps the old ones" names_a_bad_rule_and_keeps_the_old_ones
it "survives the restarts users were told to do" restarting_what_users_were_told_to_is_harmless
it "takes the ConfigMap that the controller names" the_controller_names_another_configmap
it "has everything again after a kill" a_restart_loses_nothing
it "keeps the last good rules over a kill" the_last_good_rules_survive_a_restart_with_bad_ones
it "keeps them in a cluster" in_a_cluster_rules_survive_the_pod_and_its_folder
it "takes a folder of rules and explains them" a_folder_of_rules_is_in_force_and_explained
it "explains a machine of the home" explains_a_machine_of_the_home
it "answers queries of the inventory" queries_the_inventory
it "lists the inventory on the command line" lists_the_inventory_on_the_command_line
it "tells watchers what is there and what changes" watches_what_is_there_and_what_changes
it "begins a watch with parity" a_watch_without_snapshot_begins_with_parity
vcenter_up --machine "name=web,disk=4Mi,ctk=off,memory=64,nic=VirtualVmxnet3"
it "follows the machines of a vCenter" follows_the_machines_of_a_vcenter
it "ends the watches of a deleted provider" a_deleted_provider_ends_its_watches
finish
