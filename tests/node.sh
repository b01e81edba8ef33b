#!/bin/sh
# The node agent under gantryd: pods, jobs, hooks, volumes, machines; and that all of it goes on when
# gantryd is killed, and leaves nothing behind when its objects go.
. "$(dirname "$0")/functions.sh"
requires_root
requires kubectl "the tests talk to gantryd with it"
requires bwrap "pods run in its sandboxes"
[ -x "$bin/gantryd" ] || skip_all "gantryd is not built"

home=$work/home
export KUBECONFIG="$home/kubeconfig"
pid=

k() {
    kubectl -n default "$@"
}

start_gantryd() {
    "$bin/gantryd" --dir "$home" -v >>"$work/gantryd.log" 2>&1 &
    echo $! >"$work/pid"
    wait_until 30 sh -c "kubectl get nodes 2>/dev/null | grep -q ' Ready'"
}

kill_gantryd() {
    kill -9 "$(cat "$work/pid")"
}

# SIGUSR1 ends machines and pods as well
end_gantryd() {
    kill -USR1 "$(cat "$work/pid")"
    for i in $(seq 100); do
        kill -0 "$(cat "$work/pid")" 2>/dev/null || break
        sleep 0.1
    done
    kill -9 "$(cat "$work/pid")"
}
mkdir -p "$home"
cleanup_fn end_gantryd

phase_is() {
    [ "$(k get pod "$1" -o 'jsonpath={.status.phase}' 2>/dev/null)" = "$2" ]
}

job_is() {
    k get job "$1" -o 'jsonpath={.status.conditions[*].type}' 2>/dev/null | grep -qw "$2"
}

# pod NAME SCRIPT [SPEC-LINE...]: a plain shell
pod() {
    cat <<POD
apiVersion: v1
kind: Pod
metadata: {name: $1}
spec:
  restartPolicy: ${policy:-Never}
  terminationGracePeriodSeconds: 1
  ${more:-}
  containers:
  - name: main
    image: busybox
    command: [sh, -c, '$2']
    ${mounts:-}
POD
}

job() {
    cat <<JOB
apiVersion: batch/v1
kind: Job
metadata: {name: $1}
spec:
  backoffLimit: ${backoff:-1}
  ${more:-}
  template:
    spec:
      restartPolicy: Never
      terminationGracePeriodSeconds: 1
      containers: [{name: main, image: busybox, command: [sh, -c, '$2']}]
JOB
}

runs_a_pod_to_its_end() {
    pod end 'echo out; echo err >&2; exit 3' | k create -f -
    wait_until 20 phase_is end Failed
    same "$(k get pod end -o 'jsonpath={.status.containerStatuses[0].state.terminated.exitCode}')" 3
    contains "$(k logs end)" "out"
    contains "$(k logs end)" "err"
    contains "$(k logs end --timestamps)" "T"
}

gives_a_pod_what_it_names() {
    k create secret generic login --from-literal=password=letmein
    k create configmap settings --from-literal=colour=green
    cat <<POD | k create -f -
apiVersion: v1
kind: Pod
metadata: {name: named, labels: {shape: round}}
spec:
  restartPolicy: Never
  containers:
  - name: main
    image: busybox
    command: [sh, -c, 'echo \$PASSWORD \$SHAPE \$(NAME); cat /etc/settings/colour; echo; cat /var/run/secrets/kubernetes.io/serviceaccount/namespace; echo; echo x > /etc/settings/colour || echo refused; id -u']
    env:
    - {name: PASSWORD, valueFrom: {secretKeyRef: {name: login, key: password}}}
    - {name: SHAPE, valueFrom: {fieldRef: {fieldPath: "metadata.labels['shape']"}}}
    - {name: NAME, value: named}
    securityContext: {runAsUser: 107, runAsGroup: 107}
    volumeMounts: [{name: settings, mountPath: /etc/settings}]
  volumes: [{name: settings, configMap: {name: settings}}]
POD
    wait_until 20 phase_is named Succeeded
    log=$(k logs named)
    contains "$log" "letmein round named"
    contains "$log" "green"
    contains "$log" "default"
    contains "$log" "refused"
    contains "$log" "107"
}

says_which_images_there_are() {
    pod strange true | sed 's/image: busybox/image: example.org\/strange:1/' | k create -f -
    wait_until 20 sh -c "kubectl -n default get pod strange -o yaml | grep -q ErrImagePull"
    contains "$(k describe pod strange)" "hook-runner"
    k delete pod strange --now
}

keeps_a_volume_between_pods() {
    cat <<PVC | k create -f -
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 10Mi}}}
PVC
    more='volumes: [{name: d, persistentVolumeClaim: {claimName: data}}]'
    mounts='volumeMounts: [{name: d, mountPath: /data}]'
    pod writer 'echo kept > /data/file' | k create -f -
    wait_until 20 phase_is writer Succeeded
    pod reader 'cat /data/file' | k create -f -
    wait_until 20 phase_is reader Succeeded
    same "$(k logs reader)" kept
    k delete pod writer reader --now
    k delete pvc data
    wait_until 20 sh -c "! kubectl get pv -o name | grep -q ."
    same "$(find "$home/node/volumes" -name 'pvc-*')" ""
}

refuses_a_claim_that_the_disk_cannot_hold() {
    cat <<PVC | k create -f -
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: huge}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Ei}}}
PVC
    wait_until 20 sh -c "kubectl -n default describe pvc huge | grep -q 'no room for'"
    same "$(k get pvc huge -o 'jsonpath={.status.phase}')" Pending
    k delete pvc huge
}

ends_jobs_with_true_conditions() {
    job good 'echo done' | k create -f -
    job bad 'exit 4' | k create -f -
    more='activeDeadlineSeconds: 1' job slow 'sleep 600' | k create -f -
    wait_until 20 job_is good Complete
    wait_until 20 job_is bad Failed
    wait_until 20 job_is slow Failed
    contains "$(k get job bad -o yaml)" BackoffLimitExceeded
    same "$(k get job bad -o 'jsonpath={.status.failed}')" 2
    contains "$(k get job slow -o yaml)" DeadlineExceeded
    same "$(k logs job/good)" done
    k delete job good bad slow
    wait_until 20 sh -c "! kubectl -n default get pods -o name | grep -E 'good|bad|slow'"
}

stops_a_pod_at_its_deadline() {
    more='activeDeadlineSeconds: 1' pod late 'sleep 600' | k create -f -
    wait_until 20 phase_is late Failed
    same "$(k get pod late -o 'jsonpath={.status.reason}')" DeadlineExceeded
}

# The controller once forgot why it had ended a pod when the pod's start was corrected meanwhile.
remembers_why_it_ends_a_pod() {
    more='activeDeadlineSeconds: 1' pod asked 'trap "sleep 2; exit 7" TERM; sleep 600 & wait' |
        sed 's/GracePeriodSeconds: 1/GracePeriodSeconds: 20/' | k create -f -
    uid=$(k get pod asked -o 'jsonpath={.metadata.uid}')
    wait_until 20 test -e "$home/node/pods/$uid/stop.json"
    k patch pod asked --subresource=status --type=merge \
        -p "{\"status\":{\"startTime\":\"$(date -u -d '+1 hour' +%FT%TZ)\"}}"
    wait_until 20 phase_is asked Failed
    same "$(k get pod asked -o 'jsonpath={.status.reason}')" DeadlineExceeded
    same "$(k get pod asked -o 'jsonpath={.status.containerStatuses[0].state.terminated.exitCode}')" 7
}

mounts_a_part_of_a_volume() {
    more='volumes: [{name: d, emptyDir: {}}]'
    mounts='volumeMounts: [{name: d, mountPath: /part, subPath: a/b}, {name: d, mountPath: /all}]'
    pod part 'echo here > /part/file; cat /all/a/b/file; id -u; cat /proc/self/uid_map' | k create -f -
    wait_until 20 phase_is part Succeeded
    contains "$(k logs part)" here
    uid=$(k get pod part -o 'jsonpath={.metadata.uid}')
    k delete pod part --now
    wait_until 20 test ! -e "$home/node/pods/$uid"
    ! grep -q "$uid" /proc/self/mountinfo || fail "a mount is left"
}

restarts_what_fails() {
    policy=OnFailure
    more='volumes: [{name: d, emptyDir: {}}]'
    mounts='volumeMounts: [{name: d, mountPath: /data}]'
    pod again 'test -e /data/tried || { touch /data/tried; exit 1; }; echo second' | k create -f -
    wait_until 20 phase_is again Succeeded
    same "$(k get pod again -o 'jsonpath={.status.containerStatuses[0].restartCount}')" 1
    same "$(k logs again)" second
}

runs_a_playbook() {
    command -v ansible-playbook >/dev/null || skip "Ansible is not installed"
    cat >"$work/playbook.yml" <<'PLAY'
- hosts: localhost
  gather_facts: false
  tasks:
    - include_vars: plan.yml
    - debug: {msg: "target {{ targetnamespace }}"}
    - command: setsid sleep 7{{ targetnamespace | length }}7
      async: 600
      poll: 0
PLAY
    k create configmap hook --from-file=playbook.yml="$work/playbook.yml" \
        --from-literal=plan.yml='targetnamespace: moved'
    cat <<JOB | k create -f -
apiVersion: batch/v1
kind: Job
metadata: {name: hook}
spec:
  backoffLimit: 1
  template:
    spec:
      restartPolicy: Never
      containers:
      - name: hook
        image: quay.io/kubev2v/hook-runner:latest
        command: [/bin/entrypoint, ansible-runner, run, /tmp/runner, -p, /tmp/hook/playbook.yml]
        volumeMounts: [{name: hook, mountPath: /tmp/hook}]
      volumes: [{name: hook, configMap: {name: hook}}]
JOB
    wait_until 60 job_is hook Complete
    contains "$(k logs job/hook)" "target moved"
    # what the playbook left in the background went with it
    ! pgrep -f '^sleep 757$' || fail "a daemon outlived its hook"
    k delete job hook
}

# A disk whose boot sector prints a line on the serial port, and then what it reads from there:
#
#       mov si, text; mov dx, 3f8       say:  lodsb; test al, al; jz wait; out dx, al; jmp say
#       wait: sti; hlt                  more: mov dx, 3fd; in al, dx; test al, 1; jz wait
#       mov dx, 3f8; in al, dx; out dx, al; jmp more
make_boot_disk() {
    {
        printf '\061\300\216\330\276\043\174\272\370\003\254\204\300\164\003\356\353\370'
        printf '\373\364\272\375\003\354\250\001\164\366\272\370\003\354\356\353\361'
        printf 'GANTRY GUEST\r\n\000'
    } >"$1"
    truncate -s 510 "$1"
    printf '\125\252' >>"$1"
    truncate -s 1M "$1"
}

needs_machines() {
    command -v libvirtd >/dev/null || skip "libvirtd is not installed"
    command -v qemu-system-x86_64 >/dev/null || skip "QEMU is not installed"
}

console() {
    k logs "$(k get pod -l kubevirt.io=virt-launcher -o name)"
}

console_has() {
    console 2>/dev/null | grep -q "$1"
}

runs_a_machine() {
    needs_machines
    make_boot_disk "$work/boot.img"
    cat <<VM | k create -f -
apiVersion: kubevirt.io/v1
kind: VirtualMachine
metadata: {name: tiny}
spec:
  runStrategy: Always
  template:
    spec:
      terminationGracePeriodSeconds: 0
      domain:
        memory: {guest: 32Mi}
        devices:
          disks: [{name: boot, disk: {bus: virtio}}]
          interfaces: [{name: pod, masquerade: {}, macAddress: "52:54:00:12:34:56"}]
      networks: [{name: pod, pod: {}}]
      volumes: [{name: boot, hostDisk: {path: $work/boot.img, type: Disk}}]
VM
    wait_until 60 sh -c "kubectl -n default get vm tiny -o yaml | grep -q 'printableStatus: Running'"
    wait_until 30 console_has "GANTRY GUEST"
    same "$(k get vmi tiny -o 'jsonpath={.status.interfaces[0].mac}')" 52:54:00:12:34:56
}

# act NAME-AND-ACTION: what virtctl sends, by kubectl, whose "replace --raw" is a PUT
act() {
    echo '{}' | k replace --raw "/apis/subresources.kubevirt.io/v1/namespaces/default/$1" -f -
}

instance_uid() {
    k get vmi tiny -o 'jsonpath={.metadata.uid}' 2>/dev/null
}

new_instance_runs() {
    [ "$(instance_uid)" != "$1" ] && [ "$(k get vmi tiny -o 'jsonpath={.status.phase}')" = Running ]
}

obeys_virtctl() {
    needs_machines
    console="/apis/subresources.kubevirt.io/v1/namespaces/default/virtualmachineinstances/tiny/console"
    protocol="Sec-WebSocket-Protocol: plain.kubevirt.io"
    said=$(timeout 30 "$source_root/tests/ws-read" "$KUBECONFIG" "$console" "$protocol" \
        --say "hello machine" --stop-after "hello machine")
    contains "$said" "hello machine"
    # one at a time
    mkfifo "$work/never"
    exec 3<>"$work/never"
    timeout 60 "$source_root/tests/ws-read" "$KUBECONFIG" "$console" --slow >"$work/first" <"$work/never" &
    wait_until 10 grep -q connected "$work/first"
    refused=$(timeout 30 "$source_root/tests/ws-read" "$KUBECONFIG" "$console" 2>&1) && fail "two have the console"
    contains "$refused" 409
    kill $!
    before=$(instance_uid)
    act virtualmachines/tiny/restart
    wait_until 60 new_instance_runs "$before"
    act virtualmachineinstances/tiny/pause
    act virtualmachineinstances/tiny/unpause
    act virtualmachines/tiny/stop
    wait_until 30 sh -c "kubectl -n default get vm tiny -o yaml | grep -q 'printableStatus: Stopped'"
    act virtualmachines/tiny/stop && fail "stopped twice"
    act virtualmachines/tiny/start
    wait_until 30 sh -c "kubectl -n default get vm tiny -o yaml | grep -q 'printableStatus: Running'"
}

goes_on_when_gantryd_is_killed() {
    pod ticking 'i=0; while :; do i=$((i + 1)); echo tick $i; sleep 0.2; done' | k create -f -
    pod ending 'sleep 1; echo over; exit 5' | k create -f -
    wait_until 20 phase_is ticking Running
    wait_until 20 phase_is ending Running
    before=$(k get pod ticking -o 'jsonpath={.status.containerStatuses[0].containerID}')
    qemu=$(pgrep -f 'guest=default_tiny' || true)
    server=$(grep server: "$KUBECONFIG")
    kill_gantryd
    sleep 1.2 # the pod ends while nobody looks
    start_gantryd
    same "$(grep server: "$KUBECONFIG")" "$server"
    wait_until 20 phase_is ending Failed
    same "$(k logs ending)" over
    same "$(k get pod ending -o 'jsonpath={.status.containerStatuses[0].state.terminated.exitCode}')" 5
    same "$(k get pod ticking -o 'jsonpath={.status.containerStatuses[0].containerID}')" "$before"
    last=$(k logs ticking --tail=1)
    wait_until 10 sh -c "[ \"\$(kubectl -n default logs ticking --tail=1)\" != '$last' ]"
    same "$(pgrep -f 'guest=default_tiny' || true)" "$qemu"
}

starts_a_machine_again_and_stops_it() {
    needs_machines
    k patch vm tiny --type merge -p '{"spec":{"runStrategy":"Halted"}}'
    wait_until 30 sh -c "kubectl -n default get vm tiny -o yaml | grep -q 'printableStatus: Stopped'"
    ! pgrep -f 'guest=default_tiny' || fail "the machine still runs"
    k patch vm tiny --type merge -p '{"spec":{"runStrategy":"Always"}}'
    wait_until 30 sh -c "kubectl -n default get vm tiny -o yaml | grep -q 'printableStatus: Running'"
}

leaves_nothing_behind() {
    k delete pods --all --now
    k delete vm --all
    wait_until 30 sh -c "! kubectl -n default get pods,vmi -o name | grep -q ."
    wait_until 20 sh -c "[ -z \"\$(ls '$home/node/pods')\" ]"
    same "$(ls "$home/node/machines" 2>/dev/null)" ""
    ! pgrep -f 'guest=default_tiny' || fail "a machine is left"
    ! grep -q "$home/node/pods" /proc/self/mountinfo || fail "a mount is left"
    [ -e "$work/boot.img" ] || fail "a disk that is not ours was removed"
}

plan 16
start_gantryd || { cat "$work/gantryd.log"; exit 1; }
it "runs a pod to its end" runs_a_pod_to_its_end
it "gives a pod what it names" gives_a_pod_what_it_names
it "says which images there are" says_which_images_there_are
it "keeps a volume between pods, and removes it with its claim" keeps_a_volume_between_pods
it "refuses a claim that the disk cannot hold" refuses_a_claim_that_the_disk_cannot_hold
it "ends jobs with true conditions" ends_jobs_with_true_conditions
it "stops a pod at its deadline" stops_a_pod_at_its_deadline
it "remembers why it ends a pod" remembers_why_it_ends_a_pod
it "mounts a part of a volume" mounts_a_part_of_a_volume
it "restarts what fails" restarts_what_fails
it "runs a playbook with this machine's Ansible" runs_a_playbook
it "runs a machine and shows its console" runs_a_machine
it "obeys virtctl: console, restart, pause, stop, start" obeys_virtctl
it "goes on when gantryd is killed" goes_on_when_gantryd_is_killed
it "stops a machine and starts it again" starts_a_machine_again_and_stops_it
it "leaves nothing behind" leaves_nothing_behind
finish
