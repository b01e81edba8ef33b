#!/bin/sh
# gantry create plan: machines by names, files and queries; maps; what is refused.  The commands of
# kubectl-mtv's manual run as they stand there, with gantry as kubectl's plugin.
. "$(dirname "$0")/functions.sh"
. "$(dirname "$0")/e2e/home.sh"
. "$(dirname "$0")/e2e/vcenter.sh"
home_requires
requires openssl "the fake vCenter needs a certificate"
home_up
export GANTRY_DIR="$work/home"

mkdir "$work/bin"
ln -s "$bin/gantry" "$work/bin/kubectl-mtv"
PATH=$work/bin:$PATH
ova "$work/share" web-1 1 --network "VM Network"
ova "$work/share" web-2 2 --network "VM Network"
ova "$work/share" db 1
provider share "$work/share" >/dev/null
vcenter_up --machine "name=database-01,disk=4Mi,memory=8192" --machine "name=database-02,disk=4Mi" \
    --machine "name=app-server-01,disk=4Mi" --machine "name=shop-prod-1,disk=4Mi,memory=8192" \
    --machine "name=database-primary,disk=4Mi" --machine "name=web-server-01,disk=4Mi" \
    --machine "name=cache-server-01,disk=4Mi"
vsphere_provider vsphere-prod >/dev/null
wait_until 30 has_condition provider share Ready
wait_until 30 has_condition provider vsphere-prod Ready

mtv() {
    kubectl mtv "$@"
}

# of a plan that was made: plan_vms NAME
plan_vms() {
    kubectl get plan "$1" -n $NS -o 'jsonpath={.spec.vms[*].name}'
}

has_machines() {
    [ "$("$bin/gantry" get inventory vm "$1" -o json 2>/dev/null | grep -c '"selfLink"')" -ge "$2" ]
}

takes_what_a_query_finds_and_makes_the_maps() {
    wait_until 30 has_machines share 3
    "$bin/gantry" create plan webs --source share --vms "where name ~= '^web' order by name desc" \
        --target-namespace to-webs --skip-guest-conversion >"$work/out" 2>"$work/err"
    same "$(cat "$work/out")" "networkmap/webs-network-map created
storagemap/webs-storage-map created
plan/webs created"
    contains "$(cat "$work/err")" "2 of 3 machines match the query"
    same "$(plan_vms webs)" "web-2 web-1"
    wait_until 30 has_condition plan webs Ready || {
        conditions plan webs
        return 1
    }
    same "$(kubectl get networkmap webs-network-map -n $NS -o \
        'jsonpath={.metadata.ownerReferences[0].kind} {.spec.map[*].destination.type}')" "Plan pod"
    same "$(kubectl get storagemap webs-storage-map -n $NS -o \
        'jsonpath={.spec.map[*].destination.storageClass}')" standard
}

a_plan_made_so_moves_its_machines() {
    migrate webs
    ends webs Succeeded 120
    same "$(kubectl get vm -n to-webs -o 'jsonpath={.items[*].metadata.name}')" "web-1 web-2"
}

takes_names_and_ids() {
    id=$("$bin/gantry" get inventory vm share -q "name = 'db'" -o json |
        python3 -c 'import json, sys; print(json.load(sys.stdin)[0]["id"])')
    "$bin/gantry" create plan named -S share --vms " web-1 ,$id,nobody,web-1" --dry-run \
        >"$work/out" 2>"$work/err"
    contains "$(cat "$work/err")" 'no machine "nobody"'
    same "$(grep -c '^  - id:\|^    name: web-1$\|^    name: db$' "$work/out")" 4
    same "$(count plan $NS)" 1 # nothing was made
}

a_dry_run_is_what_kubectl_takes() {
    "$bin/gantry" create plan dry -S share --vms "where len(disks) = 1" --dry-run -o json \
        >"$work/list.json" 2>"$work/err"
    kubectl apply --dry-run=server -f "$work/list.json"
    "$bin/gantry" create plan dry -S share --vms db --dry-run 2>"$work/err" |
        kubectl apply --dry-run=server -f -
}

makes_maps_of_pairs() {
    "$bin/gantry" create plan pairs -S share --vms db --dry-run -o json \
        --network-pairs "VM Network:default" \
        --storage-pairs "Dummy storage for source provider share:fast\;er;volumeMode=Block" \
        >"$work/list.json" 2>/dev/null
    same "$(python3 - "$work/list.json" <<'END'
import json, sys
items = json.load(open(sys.argv[1]))["items"]
print([i["metadata"]["name"] for i in items], items[0]["spec"]["map"][0]["destination"],
      items[1]["spec"]["map"][0]["destination"])
END
)" "['pairs-network', 'pairs-storage', 'pairs'] {'type': 'pod'} {'storageClass': 'fast;er', 'volumeMode': 'Block'}"
}

# refuses TEXT WORDS...
refuses() {
    refused_text=$1
    shift
    if "$bin/gantry" create "$@" >"$work/out" 2>"$work/err"; then
        fail "was taken: $*"
    fi
    contains "$(cat "$work/err")" "$refused_text"
    same "$(cat "$work/out")" ""
}

says_what_is_wrong() {
    refuses '"plan" is known' host x
    refuses "a name, --source and --vms are needed" plan x
    refuses "cannot specify name as both" plan x --name y -S share --vms db
    refuses "use true/false" plan x -S share --vms db --preserve-static-ips z
    refuses "--output goes with --dry-run only" plan x -S share --vms db -o yaml
    refuses "leaves nothing to --network-pairs" plan x -S share --vms db --network-mapping a \
        --network-pairs b:default
    refuses 'there is no provider "nobody"' plan x -S nobody --vms db
    refuses "no machine of the source is chosen" plan x -S share --vms "where name = 'none'"
    refuses "no machine of the source is chosen" plan x -S share --vms nobody
    refuses "a value is missing at the end" plan x -S share --vms "where name = "
    refuses "not a condition" plan x -S share --vms "where name"
    refuses 'the source has no "LAN"' plan x -S share --vms db --network-pairs LAN:default
    refuses "is no pair SOURCE:TARGET" plan x -S share --vms db --network-pairs LAN
    refuses "a list has an empty word" plan x -S share --vms "db,"
    printf 'vms: [db]\n' >"$work/no-list.yaml"
    refuses "one list of machines is expected" plan x -S share --vms "@$work/no-list.yaml"
    printf -- '- targetName: db\n' >"$work/no-name.yaml"
    refuses "machine 1 has neither an id nor a name" plan x -S share --vms "@$work/no-name.yaml"
    refuses "there is one already" plan webs -S share --vms db
    same "$(count networkmap $NS) $(count storagemap $NS)" "1 1" # of webs; others were taken back
}

# The commands of the manual's chapter about hooks.
the_manuals_commands_run_as_they_stand() {
    wait_until 30 has_machines vsphere-prod 7
    cd "$work"
    mtv create plan hooked-migration \
      --source vsphere-prod \
      --pre-hook database-backup-pre \
      --vms "database-01,database-02,app-server-01"
    same "$(plan_vms hooked-migration)" "database-01 database-02 app-server-01"
    same "$(kubectl get plan hooked-migration -n $NS -o \
        'jsonpath={.spec.vms[*].hooks[*].step} {.spec.vms[0].hooks[0].hook.name}')" \
        "PreHook PreHook PreHook database-backup-pre"
    mtv create plan comprehensive-hooks \
      --source vsphere-prod \
      --pre-hook preparation-hook \
      --post-hook validation-hook \
      --vms "where name ~= '.*prod.*'"
    same "$(plan_vms comprehensive-hooks)" shop-prod-1
    cat >production-vms.yaml <<END
- name: database-01
  targetName: db-one
- app-server-01
END
    mtv create plan production-with-hooks \
      --source vsphere-prod \
      --target-namespace production \
      --migration-type warm \
      --network-mapping prod-network-map \
      --storage-mapping prod-storage-map \
      --pre-hook backup-and-quiesce \
      --post-hook health-and-notify \
      --vms @production-vms.yaml
    same "$(kubectl get plan production-with-hooks -n $NS -o 'jsonpath={.spec.vms[0].targetName} {.spec.vms[1].name} {.spec.warm} {.spec.targetNamespace} {.spec.map.network.name}')" \
        "db-one app-server-01 true production prod-network-map"
    cat >vm-specific-hooks.yaml <<END
- name: database-primary
  targetName: db-prod-01
  hooks:
  - step: PreHook
    hook:
      name: database-backup-pre
      namespace: migration-hooks
- name: web-server-01
  targetName: web-prod-01
- name: cache-server-01
  targetName: cache-prod-01
END
    mtv create plan vm-specific-hooks \
      --source vsphere-prod \
      --vms @vm-specific-hooks.yaml \
      --network-mapping prod-network-map \
      --storage-mapping prod-storage-map
    same "$(kubectl get plan vm-specific-hooks -n $NS -o \
        'jsonpath={.spec.vms[0].hooks[0].hook.namespace} {.spec.vms[*].targetName}')" \
        "migration-hooks db-prod-01 web-prod-01 cache-prod-01"
}

plan 7
it "takes what a query finds and makes the maps" takes_what_a_query_finds_and_makes_the_maps
it "moves the machines of such a plan" a_plan_made_so_moves_its_machines
it "takes names and ids" takes_names_and_ids
it "shows on a dry run what kubectl takes" a_dry_run_is_what_kubectl_takes
it "makes maps of pairs" makes_maps_of_pairs
it "says what is wrong" says_what_is_wrong
it "runs the manual's commands as they stand" the_manuals_commands_run_as_they_stand
finish
