#!/bin/sh
# Machines with what real ones have, moved and started: EFI firmware, secure boot, a TPM, and a NIC on a
# bridge of this machine.  In a network namespace of its own, so that no bridge of the user's is touched.
. "$(dirname "$0")/functions.sh"
. "$(dirname "$0")/e2e/home.sh"
requires_root
requires ip "a bridge is made with it"
requires qemu-system-x86_64 "machines run under it"
requires libvirtd "machines run under it"
[ -e /usr/share/OVMF/OVMF_CODE_4M.fd ] || skip_all "OVMF is not installed"
if [ -z "${GANTRY_TEST_NETNS:-}" ]; then
    unshare -n true 2>/dev/null || skip_all "no network namespaces here"
    rm -rf "$work"
    exec unshare -nm env GANTRY_TEST_NETNS=1 sh "$0"
fi
mount -t sysfs none /sys # which shows this namespace's devices
ip link set lo up
home_requires
home_up

# guest_ova NAME MAKER [OPTION...]
guest_ova() {
    guest_name=$1
    mkdir -p "$work/source"
    "$2" --name "$1" "$work/$1.raw"
    shift 2
    "$make_ova" --name "$guest_name" --uuid --disk "$work/$guest_name.raw" "$@" \
        "$work/source/$guest_name.ova"
    touch -d '-2 min' "$work/source/$guest_name.ova"
}

make_efi_guest=$source_root/tests/make-efi-guest
guest_ova trusted "$make_efi_guest" --firmware efi --tpm --no-nic
guest_ova secure "$make_efi_guest" --firmware efi --secure-boot --no-nic
guest_ova bridged "$make_guest" --network "VM Network" --mac 52:54:00:00:07:01
provider source "$work/source" >/dev/null
wait_until 30 has_condition provider source Ready
kubectl apply -f - >/dev/null <<EOF
apiVersion: k8s.cni.cncf.io/v1
kind: NetworkAttachmentDefinition
metadata: {name: lan, namespace: default}
spec: {config: '{"cniVersion": "0.3.1", "type": "bridge", "bridge": "gantry-lan"}'}
EOF
maps source >/dev/null
kubectl apply -f - >/dev/null <<EOF
apiVersion: forklift.konveyor.io/v1beta1
kind: NetworkMap
metadata: {name: source, namespace: $NS}
spec:
  provider: $(pair source)
  map:
  - source: {name: VM Network}
    destination: {type: multus, namespace: default, name: lan}
EOF

console_has() {
    launcher=$(kubectl get pod -n "to-$1" -l kubevirt.io=virt-launcher -o name 2>/dev/null)
    [ -n "$launcher" ] && kubectl logs -n "to-$1" "$launcher" 2>/dev/null | tr -d '\000' | grep -qa "$2"
}

# starts NAME TEXT: moves it, powered on, and waits for TEXT on its console
starts() {
    new_plan "$1" source "[{name: $1}]" 'targetPowerState: "on"'
    wait_until 30 has_condition plan "$1" Ready || { conditions plan "$1"; return 1; }
    migrate "$1"
    ends "$1" Succeeded 240
    wait_until 240 console_has "$1" "$2" || {
        kubectl get vmi -n "to-$1" -o yaml
        return 1
    }
}


# of NAME PATH: in the machine's domain
of() {
    kubectl get vm "$1" -n "to-$1" -o "jsonpath={.spec.template.spec.domain.$2}"
}

starts_with_efi_and_a_tpm() {
    starts trusted "hello from trusted, by EFI"
    same "$(of trusted firmware.bootloader.efi.secureBoot)" false
    same "$(of trusted devices.tpm.persistent)" true
    [ -n "$(pgrep -f "swtpm.*to-trusted_trusted")" ] || fail "no TPM runs"
    kubectl delete vm trusted -n to-trusted --timeout=60s
    wait_until 20 no_tpm
    same "$(find "$work/home/node/libvirt/lib/swtpm" -mindepth 1)" ""
}

# The firmware itself says that it does not start the program, which nobody has signed.
enforces_secure_boot() {
    starts secure "Access Denied"
    ! console_has secure "hello from secure" || fail "an unsigned program was started"
    same "$(of secure features.smm.enabled)" true
    kubectl delete vm secure -n to-secure --timeout=60s
}

no_tpm() {
    ! pgrep -f "swtpm.*to-trusted_trusted" >/dev/null
}

says_which_bridge_is_missing() {
    new_plan bridged source '[{name: bridged}]' 'targetPowerState: "on"'
    wait_until 30 has_condition plan bridged Ready || { conditions plan bridged; return 1; }
    migrate bridged
    wait_until 60 waits_for_bridge
}

waits_for_bridge() {
    kubectl get plan bridged -n $NS -o json | grep -q 'has no bridge .*gantry-lan'
}

joins_a_bridge() {
    ip link add gantry-lan type bridge
    ip link set gantry-lan up
    ends bridged Succeeded 120
    wait_until 60 console_has bridged "hello from bridged"
    same "$(ip -o link show master gantry-lan | wc -l)" 1
    same "$(kubectl get vmi bridged -n to-bridged -o 'jsonpath={.status.interfaces[0].mac}')" 52:54:00:00:07:01
    kubectl delete vm bridged -n to-bridged --timeout=60s
    wait_until 20 bridge_is_empty
}

bridge_is_empty() {
    [ "$(ip -o link show master gantry-lan | wc -l)" = 0 ]
}

plan 4
it "starts a machine with EFI firmware and a TPM" starts_with_efi_and_a_tpm
it "enforces secure boot" enforces_secure_boot
it "says which bridge is missing" says_which_bridge_is_missing
it "joins a bridge of this machine" joins_a_bridge
finish
