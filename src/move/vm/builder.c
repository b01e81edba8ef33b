#include "move/vm/builder.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "data/obj.h"
#include "kube/kinds.h"
#include "kube/meta.h"
#include "kube/names.h"
#include "kube/quantity.h"
#include "move/vm/disk_names.h"
#include "move/vm/labels.h"
#include "move/vm/source_labels.h"
#include "move/vm/vm_status.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define DOMAIN "spec.template.spec.domain"

/* A wish of the VM, else of the plan. */
static const char *wish(const struct vm_run *run, const char *name)
{
    const char *own = obj_str(run->status, name, "");
    CLEANUP(str) char *path = xasprintf("spec.%s", name);

    return own[0] != '\0' ? own : obj_str(run->view->plan, path, "");
}

const char *builder_run_strategy(const struct vm_run *run)
{
    const char *power = wish(run, "targetPowerState");

    if (str_eq(power, "on"))
        return "Always";
    if (str_eq(power, "off"))
        return "Halted";
    return str_eq(obj_str(run->status, "restorePowerState", ""), "On") ? "Always" : "Halted";
}

/* Raw copies keep the devices that the guest has drivers for. */
static bool is_compatible(const struct vm_run *run)
{
    return run->view->ops->needs_conversion && !plan_view_converts(run->view) &&
           obj_bool(run->view->plan, "spec.useCompatibilityMode", true);
}

/* A BIOS UUID as VMware writes it into the serial number: "VMware-42 2c 5a ... 01-39 b2 ...". */
static char *vmware_serial(const char *uuid)
{
    enum { PAIRS = 16, HALF = PAIRS / 2 };
    struct buf text = BUF_INIT(128);
    size_t digits = 0;

    buf_add(&text, "VMware-");
    for (const char *c = uuid; *c != '\0' && digits < 2 * PAIRS; c++) {
        if (!isxdigit((unsigned char)*c))
            continue;
        if (digits % 2 == 0 && digits > 0)
            buf_add_char(&text, digits == 2 * HALF ? '-' : ' ');
        buf_add_char(&text, (char)tolower((unsigned char)*c));
        digits++;
    }
    return buf_take(&text);
}

static void put_serial(const struct vm_run *run, json_t *vm)
{
    const char *uuid = run->machine->uuid;
    bool as_vmware = uuid != NULL && run->view->settings.vmware_serial &&
                     str_eq(run->view->provider_type, "vsphere");
    CLEANUP(str) char *serial = as_vmware ? vmware_serial(uuid) : NULL;

    obj_put_str(vm, DOMAIN ".firmware.serial", as_vmware ? serial : uuid);
}

static void put_firmware(const struct vm_run *run, json_t *vm)
{
    const char *detected = obj_str(run->status, "firmware", NULL);
    bool efi = detected != NULL ? str_eq(detected, "uefi") : run->machine->efi;

    put_serial(run, vm);
    if (!efi) {
        obj_take(vm, DOMAIN ".firmware.bootloader.bios", json_object());
        return;
    }
    obj_put_bool(vm, DOMAIN ".firmware.bootloader.efi.secureBoot", run->machine->secure_boot);
    if (run->machine->secure_boot)
        obj_put_bool(vm, DOMAIN ".features.smm.enabled", true);
}

static void put_cpu_and_memory(const struct vm_run *run, json_t *vm)
{
    const char *type = obj_str(run->status, "instanceType", "");
    const struct machine *machine = run->machine;

    if (type[0] != '\0') {
        obj_put_str(vm, "spec.instancetype.name", type);
        return;
    }
    CLEANUP(str) char *memory = quantity_format_bytes(machine->memory_bytes);
    obj_put_int(vm, DOMAIN ".cpu.sockets", machine->sockets > 0 ? machine->sockets : 1);
    obj_put_int(vm, DOMAIN ".cpu.cores", machine->cores > 0 ? machine->cores : 1);
    if (machine->threads > 1)
        obj_put_int(vm, DOMAIN ".cpu.threads", machine->threads);
    obj_put_str(vm, DOMAIN ".memory.guest", memory);
}

/* What the VM says, else the plan, else that the source's guest runs machines; else nothing. */
static void put_nesting(const struct vm_run *run, json_t *vm)
{
    const json_t *own = json_object_get(run->status, "enableNestedVirtualization");
    const json_t *of_plan = obj_at(run->view->plan, "spec.enableNestedVirtualization");
    const json_t *value = json_is_boolean(own) ? own : of_plan;
    bool wanted = json_is_boolean(value) ? json_is_true(value) : run->machine->nested;
    const char *policy = wanted ? "optional" : "disable";

    if (!json_is_boolean(value) && !wanted)
        return;
    obj_take(vm, DOMAIN ".cpu.features",
             obj_pack("[{s:s, s:s}, {s:s, s:s}]", "name", "vmx", "policy", policy, "name", "svm",
                      "policy", policy));
}

static void put_devices(const struct vm_run *run, json_t *vm)
{
    bool compatible = is_compatible(run);

    obj_take(vm, DOMAIN ".devices.inputs",
             obj_pack("[{s:s, s:s, s:s}]", "name", "tablet", "type", "tablet", "bus",
                      compatible ? "usb" : "virtio"));
    if (run->machine->tpm)
        obj_put_bool(vm, DOMAIN ".devices.tpm.persistent", true);
    else if (run->machine->knows_tpm)
        obj_put_bool(vm, DOMAIN ".devices.tpm.enabled", false);
    obj_put_str(vm, DOMAIN ".clock.timezone", run->machine->timezone);
}

/* The disk that the guest starts from, where somebody said so: 0-based, -1 where nobody did. */
static int64_t boot_disk(const struct vm_run *run)
{
    const char *root = obj_str(run->status, "rootDisk", "");
    const char *name = strrchr(root, '/');

    name = name != NULL ? name + 1 : root;
    if (strlen(name) >= 3 && (str_starts_with(name, "sd") || str_starts_with(name, "vd")) &&
        name[2] >= 'a' && name[2] <= 'z')
        return name[2] - 'a';
    return obj_int(run->status, "detectedBootDisk", -1);
}

/* A yes or no of the VM, else of the plan. */
static bool wants(const struct vm_run *run, const char *name)
{
    const json_t *own = json_object_get(run->status, name);
    CLEANUP(str) char *path = xasprintf("spec.%s", name);

    return json_is_boolean(own) ? json_is_true(own) : obj_bool(run->view->plan, path, false);
}

/* How the guest sees a disk: a LUN where a raw device is to stay one. */
static json_t *disk_device(const struct vm_run *run, const struct machine_disk *disk,
                           const char *name, const char *bus)
{
    bool is_lun = disk->raw_device && wants(run, "rdmAsLun");
    json_t *device = is_lun ? obj_pack("{s:s, s:{s:s}}", "name", name, "lun", "bus", "scsi")
                            : obj_pack("{s:s, s:{s:s}}", "name", name, "disk", "bus", bus);

    if (is_lun && disk->shared && wants(run, "scsiReservation"))
        obj_put_bool(device, "lun.reservation", true);
    obj_put_str(device, "serial", disk->serial);
    if (disk->shared) {
        obj_put_bool(device, "shareable", true);
        obj_put_str(device, "cache", "none");
    }
    if (is_lun && disk->shared)
        obj_put_str(device, "errorPolicy", "report");
    return device;
}

static void put_disks(const struct vm_run *run, const json_t *claims, json_t *vm)
{
    const char *bus = is_compatible(run) ? "sata" : "virtio";
    int64_t boot = boot_disk(run);
    json_auto_t *used = json_object();

    if (boot >= (int64_t)json_array_size(claims))
        boot = -1;
    /* A source that names no boot disk starts from its first. */
    if (boot < 0 && json_array_size(claims) > 1)
        boot = 0;
    obj_take(vm, DOMAIN ".devices.disks", json_array());
    obj_take(vm, "spec.template.spec.volumes", json_array());
    for (size_t i = 0; i < json_array_size(claims); i++) {
        const char *claim = meta_name(json_array_get(claims, i));
        CLEANUP(str) char *name = volume_name_make(run, i, claim, used);
        json_t *disk = disk_device(run, &run->machine->disks.ptr[i], name, bus);
        if (boot == (int64_t)i)
            obj_put_int(disk, "bootOrder", 1);
        obj_take(vm, DOMAIN ".devices.disks[]", disk);
        obj_take(vm, "spec.template.spec.volumes[]",
                 obj_pack("{s:s, s:{s:s}}", "name", name, "persistentVolumeClaim", "claimName",
                          claim));
    }
}

/* How a NIC is bound: to a user-defined network that stands for the pod network by OVN's plugin. */
static void bind_nic(const struct vm_run *run, bool pod, json_t *interface)
{
    if (pod && run->view->udn.has_primary)
        obj_put_str(interface, "binding.name", "l2bridge");
    else
        obj_take(interface, pod ? "masquerade" : "bridge", json_object());
}

/* The addresses that the network is to give to a NIC that keeps them. */
static void add_udn_addresses(const struct vm_run *run, const struct machine_nic *nic,
                              const char *name, json_t *addresses)
{
    const struct str_list *known = &run->machine->static_ips;
    json_t *list = json_array();

    for (size_t i = 0; nic->mac != NULL && i < known->len; i++) {
        CLEANUP(str) char *address = udn_address_of(known->ptr[i], nic->mac);
        if (address != NULL)
            json_array_append_new(list, json_string(address));
    }
    if (json_array_size(list) > 0)
        json_object_set(addresses, name, list);
    json_decref(list);
}

static void put_nic(const struct vm_run *run, const struct machine_nic *nic,
                    const json_t *destination, const char *name, json_t *vm)
{
    const char *type = obj_str(destination, "type", "");
    bool pod = str_eq(type, "pod");
    json_t *interface =
        obj_pack("{s:s, s:s}", "name", name, "model", is_compatible(run) ? "e1000e" : "virtio");
    json_t *network = obj_pack("{s:s}", "name", name);

    bind_nic(run, pod, interface);
    obj_put_str(interface, "macAddress", nic->mac);
    if (nic->link_down)
        obj_put_str(interface, "state", "down");
    if (pod) {
        obj_take(network, "pod", json_object());
    } else {
        CLEANUP(str) char *key = reference_key(destination);
        obj_put_str(network, "multus.networkName", key);
    }
    obj_take(vm, DOMAIN ".devices.interfaces[]", interface);
    obj_take(vm, "spec.template.spec.networks[]", network);
}

static void put_nics(struct vm_run *run, json_t *vm)
{
    json_auto_t *used = json_object(), *addresses = json_object();
    size_t count = 0;

    obj_take(vm, DOMAIN ".devices.interfaces", json_array());
    obj_take(vm, "spec.template.spec.networks", json_array());
    mapping_release(&run->view->networks);
    for (size_t i = 0; i < run->machine->nics.len; i++) {
        const struct machine_nic *nic = &run->machine->nics.ptr[i];
        const json_t *destination = mapping_take_network(&run->view->networks, nic);
        const char *type = obj_str(destination, "type", "ignored");
        if (str_eq(type, "ignored"))
            continue;
        CLEANUP(str) char *name = network_name_make(run, count++, destination, used);
        put_nic(run, nic, destination, name, vm);
        if (str_eq(type, "pod") && plan_view_keeps_udn_addresses(run->view))
            add_udn_addresses(run, nic, name, addresses);
    }
    mapping_release(&run->view->networks);
    if (json_object_size(addresses) == 0)
        return;
    CLEANUP(str) char *text = obj_format(addresses);
    json_object_set_new(obj_obj(vm, "spec.template.metadata.annotations"),
                        "network.kubevirt.io/addresses", json_string(text));
}

static void put_metadata(const struct vm_run *run, json_t *vm)
{
    const char *source_name = obj_str(run->status, "name", "");
    const json_t *wanted = obj_obj(run->view->plan, "spec.targetLabels");
    CLEANUP(str) char *app = name_fix_label_value(meta_name(vm));
    json_t *labels = labels_new(run->view->plan, run->migration, vm_run_id(run));
    json_t *on_template = wanted != NULL ? obj_copy(wanted) : json_object();

    if (run->view->ops->needs_conversion)
        json_object_set_new(labels, "guestConverted",
                            json_string(plan_view_converts(run->view) ? "true" : "false"));
    obj_take(vm, "metadata.labels", labels);
    source_labels_put(run->view->plan, run->vm, vm);
    if (!str_eq(source_name, meta_name(vm))) {
        meta_set_annotation(vm, "openshift.io/display-name", source_name);
        meta_set_annotation(vm, "original-ID", vm_run_id(run));
    }
    json_object_set_new(on_template, "app", json_string(app)); /* ours win */
    obj_take(vm, "spec.template.metadata.labels", on_template);
    obj_take(vm, "spec.template.metadata.annotations",
             obj_pack("{s:s, s:s, s:s}", "vm.kubevirt.io/flavor", "", "vm.kubevirt.io/os", "",
                      "vm.kubevirt.io/workload", ""));
}

static void put_scheduling(const struct vm_run *run, json_t *vm)
{
    const json_t *selector = obj_obj(run->view->plan, "spec.targetNodeSelector");
    const json_t *affinity = obj_obj(run->view->plan, "spec.targetAffinity");

    if (selector != NULL)
        obj_take(vm, "spec.template.spec.nodeSelector", obj_copy(selector));
    if (affinity != NULL)
        obj_take(vm, "spec.template.spec.affinity", obj_copy(affinity));
}

int builder_make(struct vm_run *run, const json_t *claims, json_t **out, struct error **err)
{
    if (vm_run_describe(run, err) == -1)
        return -1;
    if (json_array_size(claims) != run->machine->disks.len)
        return error_set(err, ERROR_INVALID, "the source machine has %zu disks, and %zu volumes",
                         run->machine->disks.len, json_array_size(claims));
    if (run->machine->memory_bytes == 0)
        return error_set(err, ERROR_INVALID, "the source machine has no memory size");

    json_t *vm = meta_new(&KIND_VM, vm_run_target_ns(run), vm_run_target_name(run));
    put_metadata(run, vm);
    obj_put_str(vm, "spec.runStrategy", builder_run_strategy(run));
    put_cpu_and_memory(run, vm);
    put_nesting(run, vm);
    put_firmware(run, vm);
    put_devices(run, vm);
    put_disks(run, claims, vm);
    put_nics(run, vm);
    put_scheduling(run, vm);
    *out = vm;
    return 0;
}
