#!/bin/sh
# Forklift's example of a hook, as its documentation prints it, in a migration at home: a Secret by
# k8s_info, a key file, add_host, and work on that host by ssh.  The host is a sandbox of this
# machine with a root folder of its own, where an sshd listens and a service "mariadb" runs.
. "$(dirname "$0")/functions.sh"
. "$(dirname "$0")/e2e/home.sh"
home_requires
PATH=$PATH:/usr/sbin
requires sshd "a hook logs in there"
requires ansible-playbook "hooks are playbooks"

host=$work/host

make_host() {
    mkdir -p "$host/etc/init.d" "$host/run/sshd" "$host/tmp" "$host/root/.ssh"
    chmod 700 "$host/root" "$host/root/.ssh"
    echo 'root:x:0:0:root:/root:/bin/sh' >"$host/etc/passwd"
    echo 'sshd:x:100:65534::/run/sshd:/usr/sbin/nologin' >>"$host/etc/passwd"
    echo 'root:*:19000::::::' >"$host/etc/shadow"
    printf 'root:x:0:\nnogroup:x:65534:\n' >"$host/etc/group"
    ssh-keygen -q -t ed25519 -N '' -f "$host/etc/host_key"
    ssh-keygen -q -t rsa -b 2048 -N '' -f "$work/key"
    cp "$work/key.pub" "$host/root/.ssh/authorized_keys"
    chmod 600 "$host/root/.ssh/authorized_keys"
    cat >"$host/etc/init.d/mariadb" <<'EOF'
#!/bin/sh
case $1 in
start) touch /run/mariadb ;;
stop) rm -f /run/mariadb ;;
status) [ -e /run/mariadb ] && echo "mariadb is running" || { echo "mariadb is stopped"; exit 3; } ;;
esac
EOF
    chmod 755 "$host/etc/init.d/mariadb"
    touch "$host/run/mariadb"
    cat >"$host/etc/sshd_config" <<EOF
HostKey /etc/host_key
ListenAddress 127.0.0.1
Port $port
PermitRootLogin prohibit-password
UsePAM no
PidFile none
EOF
}

# The network is the machine's; everything else is its own.
run_host() {
    exec bwrap --unshare-pid --unshare-ipc --unshare-uts --hostname vm --die-with-parent \
        --cap-add ALL --bind "$host" / --ro-bind /usr /usr --symlink usr/bin /bin \
        --symlink usr/sbin /sbin --symlink usr/lib /lib --symlink usr/lib64 /lib64 \
        --ro-bind /etc/ld.so.cache /etc/ld.so.cache --dev /dev --proc /proc \
        /usr/sbin/sshd -D -e -f /etc/sshd_config
}

is_listening() { ssh-keyscan -T 2 -p "$port" 127.0.0.1 2>/dev/null | grep -q ed25519; }

port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
make_host
run_host >"$work/sshd.log" 2>&1 &
cleanup_fn "kill $!"
wait_until 20 is_listening || {
    sed 's/^/# /' "$work/sshd.log"
    skip_all "no sshd can be run in a sandbox here"
}

home_up
ova "$work/good" db 1 --network "VM Network" --mac 52:54:00:00:02:01
ova "$work/good" web 1 --network "VM Network" --mac 52:54:00:00:02:02
provider good "$work/good" >/dev/null
maps good >/dev/null

# The example; the guest's address is this machine's, and its port is not 22.
cat >"$work/example.yml" <<EOF
- name: Main
  hosts: localhost
  vars_files:
    - plan.yml
    - workload.yml
  tasks:
  - k8s_info:
      api_version: v1
      kind: Secret
      name: privkey
      namespace: openshift-mtv
    register: ssh_credentials

  - name: Ensure SSH directory exists
    file:
      path: ~/.ssh
      state: directory
      mode: 0750

  - name: Create SSH key
    copy:
      dest: ~/.ssh/id_rsa
      content: "{{ ssh_credentials.resources[0].data.key | b64decode }}"
      mode: 0600

  - add_host:
      name: "{{ vm.ipaddress or '127.0.0.1' }}"
      ansible_user: root
      ansible_port: $port
      groups: vms

- hosts: vms
  vars_files:
    - plan.yml
    - workload.yml
  tasks:
  - name: Stop MariaDB
    service:
      name: mariadb
      state: stopped

  - name: Create Test File
    copy:
      dest: /premigration.txt
      content: "Migration from {{ provider.source.name }} of {{ vm.vm1.vm0.id }} has finished\n"
      mode: 0644
EOF

runs_the_example() {
    kubectl create secret generic privkey -n openshift-mtv "--from-file=key=$work/key"
    kubectl create sa hooks -n $NS
    kubectl create role privkey -n openshift-mtv --verb=get --resource=secrets \
        --resource-name=privkey
    kubectl create rolebinding privkey -n openshift-mtv --role=privkey \
        --serviceaccount="$NS:hooks"
    hook example "$work/example.yml" "serviceAccount: hooks"
    new_plan example good "[{name: db, $(use_hook PreHook example)}]"
    wait_until 30 has_condition plan example Ready
    [ -e "$host/run/mariadb" ]
    migrate example
    ends example Succeeded 120
    id=$(kubectl get plan example -n $NS -o 'jsonpath={.status.migration.vms[0].id}')
    same "$(cat "$host/premigration.txt")" "Migration from good of $id has finished"
    same "$(stat -c %a "$host/premigration.txt")" 644
    [ ! -e "$host/run/mariadb" ]
}

keeps_the_key_inside() {
    job=$(kubectl get job -n $NS -l step=PreHook -o name)
    kubectl logs -n $NS "$job" >"$work/hook.log"
    contains "$(cat "$work/hook.log")" "Create Test File"
    ! grep -q 'PRIVATE KEY' "$work/hook.log" "$work/home/gantryd.log"
}

fails_without_the_right() {
    kubectl delete rolebinding privkey -n openshift-mtv
    new_plan refused good "[{name: web, $(use_hook PreHook example)}]"
    wait_until 30 has_condition plan refused Ready || { conditions plan refused; return 1; }
    migrate refused
    ends refused Failed 120
    target_is_empty refused
}

plan 3
it "runs the example of Forklift's documentation" runs_the_example
it "shows no key in logs" keeps_the_key_inside
it "fails the migration when the account may not read the Secret" fails_without_the_right
finish
