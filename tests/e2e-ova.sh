#!/bin/sh
# OVAs moved by a real gantry at home with kubectl: good ones, and every kind of bad one.
. "$(dirname "$0")/functions.sh"
. "$(dirname "$0")/e2e/home.sh"
home_requires
home_up

ova "$work/good" web 2 --network "VM Network" --mac 52:54:00:00:01:01
ova "$work/good" db 1 --network "VM Network" --mac 52:54:00:00:01:02
ova "$work/good" hooky 1 --network "VM Network" --mac 52:54:00:00:01:03
ova "$work/good" other 1 --network "Other Network"
ova "$work/good" named 2 --network "VM Network" --mac 52:54:00:00:01:09
provider good "$work/good" >/dev/null
maps good >/dev/null

moves_every_byte() {
    wait_until 30 has_condition provider good Ready
    new_plan bytes good '[{name: web}]'
    wait_until 30 has_condition plan bytes Ready
    migrate bytes
    ends bytes Succeeded
    for i in 0 1; do
        same "$(sum "$(disk_of to-bytes web $i)")" "$(sum "$work/web-$((i + 1)).raw")"
    done
    same "$(kubectl get vm web -n to-bytes -o 'jsonpath={.spec.runStrategy}')" Halted
    same "$(count pods to-bytes)" 0
    contains "$(kubectl describe plan bytes -n $NS)" MigrationSucceeded
    shows_columns
    tells_how_it_does
}

# has_columns KIND NAME COLUMN...: and a row in which none is empty
has_columns() {
    columns=$(kubectl get "$1" "$2" -n $NS)
    shift 2
    for column; do
        contains "$(echo "$columns" | head -1)" "$column"
    done
    ! echo "$columns" | tail -1 | grep -q '<none>' || fail "$columns"
}

shows_columns() {
    has_columns provider good NAME TYPE STATUS READY CONNECTED INVENTORY URL AGE
    has_columns plan bytes NAME READY EXECUTING SUCCEEDED FAILED AGE
    has_columns migration bytes NAME READY RUNNING SUCCEEDED FAILED AGE
    described=$(kubectl describe plan bytes -n $NS)
    for part in "Target Namespace:" to-bytes DiskTransfer "Transfer completed." MigrationStarted \
        VMSucceeded; do
        contains "$described" "$part"
    done
}

tells_how_it_does() {
    status=$("$bin/gantry" status --dir "$work/home")
    contains "$status" "0 Running, 1 Succeeded"
    for part in "refused, 0 failed; reads p50" " watches, " " objects, " "; a write p50 " ", a commit p50 " " MiB; "; do
        contains "$status" "$part"
    done
    metrics=$(kubectl get --raw /metrics)
    contains "$metrics" 'mtv_migrations_status_total{status="Succeeded",provider="ova",mode="Cold",target="Local"} 1'
    contains "$metrics" 'mtv_migrated_vms_total{status="Succeeded",provider="ova",mode="Cold",target="Local"} 1'
    contains "$metrics" 'mtv_plans_status{status="Succeeded",provider="ova",mode="Cold",target="Local"} 1'
    contains "$metrics" "mtv_migration_data_transferred_bytes"
}

cat >"$work/pre.yml" <<'EOF'
- hosts: localhost
  gather_facts: false
  vars_files: [plan.yml, workload.yml]
  tasks:
  - debug: {msg: "moving {{ vm.vm1.vm0.name }} from {{ provider.source.name }} to {{ targetnamespace }}"}
EOF
keeps_a_hooks_output() {
    hook pre "$work/pre.yml"
    new_plan hooked good "[{name: db, $(use_hook PreHook pre)}]"
    wait_until 30 has_condition plan hooked Ready
    migrate hooked
    ends hooked Succeeded
    status=$(kubectl get plan hooked -n $NS -o 'jsonpath={.status.migration.vms[0].pipeline[1]}')
    contains "$status" "moving db from good to to-hooked"
    contains "$status" '"exitCode":"0"'
    job=$(kubectl get job -n $NS -l step=PreHook -o name)
    contains "$(kubectl logs -n $NS "$job")" "moving db from good"
}

printf -- '- hosts: localhost\n  tasks: [unclosed\n' >"$work/broken.yml"
names_a_broken_playbook() {
    hook broken "$work/broken.yml"
    wait_until 10 has_condition hook broken InvalidPlaybook
    contains "$(conditions hook broken)" "line 3"
    new_plan broken good "[{name: db, targetName: db2, $(use_hook PreHook broken)}]"
    wait_until 10 has_condition plan broken HookNotReady
    contains "$(conditions plan broken)" "$NS/broken"
}

cat >"$work/sleep.yml" <<'EOF'
- hosts: localhost
  gather_facts: false
  tasks: [{command: sleep 987}]
EOF
ends_a_hook_at_its_deadline() {
    hook sleeper "$work/sleep.yml" "deadline: 3"
    new_plan sleeper good "[{name: hooky, $(use_hook PreHook sleeper)}]"
    wait_until 10 has_condition plan sleeper Ready
    migrate sleeper
    ends sleeper Failed 60
    contains "$(vm_error sleeper)" "deadline of 3 s"
    target_is_empty sleeper
    wait_until 10 no_process "sleep 987"
}

cat >"$work/daemon.yml" <<'EOF'
- hosts: localhost
  gather_facts: false
  tasks: [{shell: "setsid sleep 986 >/dev/null 2>&1 &"}]
EOF
stops_what_a_hook_left_running() {
    hook daemon "$work/daemon.yml"
    new_plan daemon good "[{name: db, targetName: db3, $(use_hook PostHook daemon)}]"
    kubectl delete vm -n to-hooked --all
    wait_until 10 has_condition plan daemon Ready
    migrate daemon
    ends daemon Succeeded
    wait_until 10 no_process "sleep 986"
}

calls_things_by_templates() {
    new_plan names good '[{name: named, targetName: web-new, networkNameTemplate: "nic-{{.NetworkIndex}}"}]' \
        'pvcNameTemplateUseGenerateName: false
  pvcNameTemplate: "{{.TargetVmName}}-{{if eq .DiskIndex 0}}root{{else}}data{{end}}"
  volumeNameTemplate: "{{.PVCName | trimPrefix \"web-\"}}-{{.VolumeIndex}}"
  networkNameTemplate: "never-{{.NetworkIndex}}"'
    wait_until 30 has_condition plan names Ready
    migrate names
    ends names Succeeded
    kubectl get pvc -n to-names web-new-root web-new-data
    same "$(kubectl get vm web-new -n to-names \
        -o 'jsonpath={.spec.template.spec.volumes[*].name} {.spec.template.spec.networks[0].name}')" \
        "new-root-0 new-data-1 nic-0"
}

# is_told KIND NAME TEXT: its conditions say so
is_told() {
    conditions "$1" "$2" | grep -q "$3"
}

refuses_names_that_templates_spoil() {
    new_plan badnames good '[{name: web}]' 'volumeNameTemplate: "disk"
  networkNameTemplate: "{{.Unknown}}"
  pvcNameTemplate: "{{.VmName | upper}}"'
    wait_until 10 is_told plan badnames VolumeNameNotUnique
    contains "$(conditions plan badnames)" VolumeNameNotUnique
    contains "$(conditions plan badnames)" NetworkNameTemplate
    contains "$(conditions plan badnames)" Unknown
    contains "$(conditions plan badnames)" PVCNameTemplate
}

refuses_what_does_not_fit() {
    new_plan unmapped good '[{name: other}]'
    wait_until 10 has_condition plan unmapped VMNetworksNotMapped
    contains "$(conditions plan unmapped)" "other: NIC"
    new_plan twice good '[{name: web, targetName: same}, {name: db, targetName: same}]'
    wait_until 10 has_condition plan twice DuplicateVM
    contains "$(conditions plan twice)" '"same"'
    new_plan ghost good '[{name: ghost}]'
    wait_until 10 has_condition plan ghost VMNotFound
    contains "$(conditions plan ghost)" '"ghost"'
    new_plan nowhere good '[{name: web}]' 'targetNamespace: No_Such'
    wait_until 10 has_condition plan nowhere NamespaceNotValid
    contains "$(conditions plan nowhere)" 'No_Such'
    for plan in unmapped twice ghost nowhere; do # and a Migration of such a plan touches nothing
        migrate "$plan"
        kubectl delete migration "$plan" -n $NS --timeout=20s
        same "$plan $(kubectl get ns "to-$plan" -o name 2>/dev/null)" "$plan "
    done
}

# bad NAME FILE: a provider of one damaged file names it
bad() {
    provider "$1" "$work/$1"
    wait_until 30 has_condition provider "$1" InventoryError || {
        conditions provider "$1"
        return 1
    }
    contains "$(conditions provider "$1")" "$2"
}

names_a_file_that_is_cut_off() {
    ova "$work/cut" cut 1
    head -c 700 "$work/cut/cut.ova" >"$work/cut/half"
    mv "$work/cut/half" "$work/cut/cut.ova"
    touch -d '-2 min' "$work/cut/cut.ova"
    bad cut cut.ova
}

refuses_entities_in_a_descriptor() {
    mkdir -p "$work/laughs"
    cat >"$work/laughs/laughs.ovf" <<'EOF'
<?xml version="1.0"?>
<!DOCTYPE l [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">
<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;"><!ENTITY d "&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;">]>
<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1"><Name>&d;</Name></Envelope>
EOF
    touch -d '-2 min' "$work/laughs/laughs.ovf"
    bad laughs laughs.ovf
}

# descriptor NAME DISKS FILES: an OVF in a folder of its own, whose machine has disk "d1"
descriptor() {
    mkdir -p "$work/$1"
    cat >"$work/$1/$1.ovf" <<EOF
<?xml version="1.0"?>
<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1" xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1"
  xmlns:rasd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData">
<References>$3</References>
<DiskSection><Info>Disks</Info>$2</DiskSection>
<VirtualSystem ovf:id="$1"><Info>A machine</Info><Name>$1</Name>
<VirtualHardwareSection><Info>Hardware</Info>
<Item><rasd:InstanceID>1</rasd:InstanceID><rasd:ResourceType>3</rasd:ResourceType>
<rasd:VirtualQuantity>1</rasd:VirtualQuantity></Item>
<Item><rasd:AllocationUnits>byte * 2^20</rasd:AllocationUnits><rasd:InstanceID>2</rasd:InstanceID>
<rasd:ResourceType>4</rasd:ResourceType><rasd:VirtualQuantity>64</rasd:VirtualQuantity></Item>
<Item><rasd:HostResource>ovf:/disk/d1</rasd:HostResource><rasd:InstanceID>3</rasd:InstanceID>
<rasd:ResourceType>17</rasd:ResourceType></Item>
</VirtualHardwareSection></VirtualSystem></Envelope>
EOF
    touch -d '-2 min' "$work/$1/$1.ovf"
}

# disk ATTRIBUTES: disk d1 of 4 MiB
disk() {
    echo "<Disk ovf:diskId=\"d1\" ovf:capacity=\"4\" ovf:capacityAllocationUnits=\"byte * 2^20\" $1/>"
}

# machines PROVIDER: what its inventory lists
machines() {
    machines_uid=$(kubectl get provider "$1" -n $NS -o 'jsonpath={.metadata.uid}')
    kubectl get --raw "/providers/ova/$machines_uid/vms"
}

refuses_references_that_lead_nowhere_or_in_a_circle() {
    descriptor nofile "$(disk 'ovf:fileRef="f9"')" '<File ovf:id="f1" ovf:href="a.vmdk"/>'
    bad nofile 'fileRef \"f9\" names no File'
    descriptor absent "$(disk 'ovf:fileRef="f1"')" '<File ovf:id="f1" ovf:href="absent.vmdk"/>'
    bad absent 'the file \"absent.vmdk\" is not in the folder'
    descriptor circle "$(disk 'ovf:parentRef="d2"')<Disk ovf:diskId=\"d2\" ovf:capacity=\"4\" ovf:parentRef=\"d1\"/>" ""
    bad circle 'parents form a circle'
    descriptor outside "$(disk 'ovf:fileRef="f1"')" '<File ovf:id="f1" ovf:href="../../etc/passwd"/>'
    bad outside '../../etc/passwd'
    for name in nofile absent circle outside; do
        same "$name $(machines "$name")" "$name []"
    done
}

refuses_a_disk_of_no_bytes() {
    descriptor zero "$(disk 'ovf:fileRef="f1"')" '<File ovf:id="f1" ovf:href="zero.vmdk"/>'
    : >"$work/zero/zero.vmdk"
    touch -d '-2 min' "$work/zero/zero.vmdk"
    bad zero 'the file \"zero.vmdk\" is empty'
    same "$(machines zero)" "[]"
    descriptor nothing '<Disk ovf:diskId="d1" ovf:capacity="0"/>' ""
    bad nothing 'the capacity is zero bytes'
}

# moves NAME: the machine NAME of provider NAME
moves() {
    provider "$1" "$work/$1"
    maps "$1"
    wait_until 30 has_condition provider "$1" Ready
    new_plan "$1" "$1" "[{name: $1}]"
    wait_until 30 has_condition plan "$1" Ready || { conditions plan "$1"; return 1; }
    migrate "$1"
    ends "$1" Succeeded
}

makes_a_disk_that_has_no_file() {
    descriptor fresh "$(disk "")" ""
    moves fresh
    same "$(stat -c %s "$(disk_of to-fresh fresh 0)")" 4194304
    same "$(tr -d '\0' <"$(disk_of to-fresh fresh 0)" | wc -c)" 0
}

# in_chunks NAME: a package whose disk is cut into chunks, and whose manifest names each
in_chunks() {
    descriptor "$1" "$(disk 'ovf:fileRef="f1"')" \
        "<File ovf:id=\"f1\" ovf:href=\"$1.vmdk\" ovf:chunkSize=\"100000\"/>"
    qemu-img convert -f raw -O vmdk -o subformat=streamOptimized "$work/web-1.raw" "$work/whole.vmdk"
    split -b 100000 -a 9 -d "$work/whole.vmdk" "$work/$1/$1.vmdk."
    (cd "$work/$1" && sha256sum --tag "$1.vmdk".* | sed 's/ (/(/; s/) =/)=/' >"$1.mf")
    touch -d '-2 min' "$work/$1"/*
}

joins_chunks() {
    in_chunks pieces
    moves pieces
    same "$(sum "$(disk_of to-pieces pieces 0)")" "$(sum "$work/web-1.raw")"
}

notices_a_wrong_chunk() {
    in_chunks changed
    sed -i '/000000001/s/= ..../= 0000/' "$work/changed/changed.mf"
    touch -d '-2 min' "$work/changed"/*
    provider changed "$work/changed"
    maps changed
    wait_until 30 has_condition provider changed Ready
    new_plan changed changed "[{name: changed}]"
    wait_until 30 has_condition plan changed Ready || { conditions plan changed; return 1; }
    migrate changed
    ends changed Failed 120
    contains "$(vm_error changed)" "chunk 1 of"
    contains "$(vm_error changed)" "changed.vmdk"
    target_is_empty changed
}

refuses_members_outside_the_archive() {
    ova "$work/dots" dots 1
    python3 - "$work/dots/dots.ova" <<'EOF'
import io, sys, tarfile
with tarfile.open(sys.argv[1], "a") as tar:
    info = tarfile.TarInfo("../../etc/gantry-was-here")
    info.size = 1
    tar.addfile(info, io.BytesIO(b"x"))
EOF
    touch -d '-2 min' "$work/dots/dots.ova"
    bad dots dots.ova
    [ ! -e /etc/gantry-was-here ]
}

# fails NAME PART: the VM NAME of provider NAME fails with PART, and leaves nothing
fails() {
    provider "$1" "$work/$1"
    maps "$1"
    wait_until 30 has_condition provider "$1" Ready
    before=$(sum "$work/$1/$1.ova")
    new_plan "$1" "$1" "[{name: $1}]"
    wait_until 30 has_condition plan "$1" Ready || { conditions plan "$1"; return 1; }
    migrate "$1"
    ends "$1" Failed 120
    contains "$(vm_error "$1")" "$2"
    target_is_empty "$1"
    same "$(sum "$work/$1/$1.ova")" "$before"
}

notices_a_wrong_digest() {
    ova "$work/lie" lie 1 --wrong-digest
    fails lie "as expected"
    contains "$(vm_error lie)" "lie-1.vmdk"
    contains "$(vm_error lie)" "sha256"
}

notices_a_grain_outside_the_file() {
    ova "$work/grain" grain 1 --manifest none
    python3 - "$work/grain/grain.ova" <<'EOF'
import struct, sys, tarfile
path = sys.argv[1]
member = [m for m in tarfile.open(path) if m.name.endswith(".vmdk")][0]
with open(path, "r+b") as f:
    def at(sector):
        f.seek(member.offset_data + sector * 512)
    at(0)
    at(struct.unpack_from("<Q", f.read(512), 56)[0])  # the grain directory
    table_at = struct.unpack("<I", f.read(4))[0]
    at(table_at)
    table = list(struct.unpack("<512I", f.read(2048)))
    table[next(i for i, sector in enumerate(table) if sector)] = 0x7ffffff0
    at(table_at)
    f.write(struct.pack("<512I", *table))
EOF
    touch -d '-2 min' "$work/grain/grain.ova"
    fails grain "grain"
    contains "$(vm_error grain)" "grain-1.vmdk"
}

says_when_there_is_no_room() {
    ova "$work/huge" huge 1 --manifest none
    python3 - "$work/huge/huge.ova" <<'EOF'
import io, sys, tarfile
old = b'ovf:capacity="4194304" ovf:capacityAllocationUnits="byte"'
new = b'ovf:capacity="90" ovf:capacityAllocationUnits="byte * 2^40"'
out = io.BytesIO()
with tarfile.open(sys.argv[1]) as tar, \
        tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as copy:
    for member in tar:
        body = tar.extractfile(member).read().replace(old, new)
        member.size = len(body)
        copy.addfile(member, io.BytesIO(body))
data = out.getvalue()
open(sys.argv[1], "wb").write(data)
EOF
    touch -d '-2 min' "$work/huge/huge.ova"
    fails huge "no room"
    contains "$(vm_error huge)" "huge-1.vmdk"
}

names_a_share_that_cannot_be_read() {
    provider share "127.0.0.1:/no/such/export"
    wait_until 90 has_condition provider share ConnectionTestFailed
    contains "$(conditions provider share)" "127.0.0.1"
    provider folder "$work/no/such/folder"
    wait_until 30 has_condition provider folder ConnectionTestFailed
    contains "$(conditions provider folder)" "no/such/folder"
}

# begins_to_wait PLAN: its PreHook sleeps
begins_to_wait() {
    hook "$1" "$work/sleep.yml"
    new_plan "$1" good "[{name: hooky, $(use_hook PreHook "$1")}]"
    wait_until 10 has_condition plan "$1" Ready
    migrate "$1"
    wait_until 20 process_runs "sleep 987"
}

cancels_when_the_migration_is_deleted() {
    begins_to_wait gone
    kubectl delete migration gone -n $NS --wait=false
    wait_until 20 has_condition plan gone Canceled
    wait_until 10 no_process "sleep 987"
    target_is_empty gone
    contains "$(kubectl get plan gone -n $NS -o 'jsonpath={.status.migration.vms[0].conditions}')" \
        '"reason":"Deleted"'
    # and the plan can be tried again
    kubectl patch plan gone -n $NS --type json -p '[{"op":"remove","path":"/spec/vms/0/hooks"}]'
    migrate again gone
    ends again Succeeded
    kubectl delete vm hooky -n to-gone
}

cancels_one_vm() {
    begins_to_wait one
    kubectl patch migration one -n $NS --type merge -p '{"spec":{"cancel":[{"name":"hooky"}]}}'
    ends one Canceled 20
    wait_until 10 no_process "sleep 987"
}

removes_what_a_deleted_plan_made() {
    begins_to_wait del
    kubectl delete plan del -n $NS --timeout=30s
    wait_until 10 no_process "sleep 987"
    target_is_empty del
    same "$(kubectl get job,cm -n $NS -l step=PreHook -o name | grep -c "/del-")" 0
}

archives_a_plan() {
    kubectl patch plan hooked -n $NS --type merge -p '{"spec":{"archived":true}}'
    wait_until 20 has_condition plan hooked Archived
    same "$(kubectl get job,cm -n $NS -l step=PreHook -o name | grep -c "/hooked-")" 0
}

leaves_no_mounts() {
    ! grep "$work" /proc/mounts
}

plan 25
it "moves every byte of every disk" moves_every_byte
it "keeps a hook's output, with the keys playbooks know" keeps_a_hooks_output
it "names a broken playbook" names_a_broken_playbook
it "ends a hook at its deadline" ends_a_hook_at_its_deadline
it "stops what a hook left running" stops_what_a_hook_left_running
it "calls claims, volumes and networks by templates" calls_things_by_templates
it "refuses names that templates spoil" refuses_names_that_templates_spoil
it "refuses unmapped networks, names used twice, unknown machines" refuses_what_does_not_fit
it "names a file that is cut off" names_a_file_that_is_cut_off
it "refuses entities in a descriptor" refuses_entities_in_a_descriptor
it "refuses members outside the archive" refuses_members_outside_the_archive
it "refuses references that lead nowhere or in a circle" \
    refuses_references_that_lead_nowhere_or_in_a_circle
it "refuses a disk of no bytes" refuses_a_disk_of_no_bytes
it "makes a disk that has no file" makes_a_disk_that_has_no_file
it "joins chunks beside a descriptor" joins_chunks
it "notices a chunk that its manifest does not know" notices_a_wrong_chunk
it "notices a wrong digest" notices_a_wrong_digest
it "notices a grain outside the file" notices_a_grain_outside_the_file
it "says when there is no room" says_when_there_is_no_room
it "names a share or folder that cannot be read" names_a_share_that_cannot_be_read
it "cancels when the migration is deleted" cancels_when_the_migration_is_deleted
it "cancels one VM" cancels_one_vm
it "removes what a deleted plan made" removes_what_a_deleted_plan_made
it "archives a plan" archives_a_plan
it "leaves no mounts" leaves_no_mounts
finish
