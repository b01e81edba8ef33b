#include "base/error.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/text.h"
#include "data/obj.h"
#include "kube/kinds.h"
#include "kube/meta.h"
#include "kube/names.h"
#include "move/vm/plan_check.h"
#include "move/vm/plan_check_names.h"
#include "move/vm/plan_check_vsphere.h"
#include "move/vm/vm_status.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* What the VMs of a plan are compared with. */
struct scan {
    struct plan_view *view;
    struct map *ids;          /* source ids seen */
    struct map *target_names; /* explicit target names seen */
    struct map *claims;       /* whole names of claims, to machines' */
    struct map *targets;      /* machines of the destination by namespace and name; borrowed */
    struct map *macs;         /* addresses in small letters, to arrays of such machines */
    struct map *succeeded;    /* source ids of what was moved already */
    json_t *target_vms;       /* listed for the first VM that is to be compared, or NULL */
};

static const char *const MARK = "";

/* Remembers KEY; false if it was there. */
static bool note(struct map *seen, const char *key)
{
    return map_put(seen, key, (void *)(uintptr_t)MARK) == NULL;
}

static const char *vm_text(const json_t *ref)
{
    const char *name = obj_str(ref, "name", NULL);

    return str_is_empty(name) ? obj_str(ref, "id", "") : name;
}

/* Resolves the reference and stages why that fails; *VM stays NULL then. */
static int resolve(struct scan *scan, const json_t *ref, json_t **vm, struct error **err)
{
    json_t *status = scan->view->status;
    enum mapping_lookup lookup = MAPPING_NOT_FOUND;

    if (plan_view_find_vm(scan->view, ref, &lookup, vm, err) == -1)
        return -1;
    switch (lookup) {
    case MAPPING_NOT_SET:
        finding_add(status, "VMRefNotValid", CONDITION_CRITICAL, "NotSet",
                    "give each of spec.vms an id or a name", "a VM has neither id nor name");
        break;
    case MAPPING_NOT_FOUND:
        finding_add_item(status, "VMNotFound", CONDITION_CRITICAL, "NotFound",
                         "correct spec.vms; the inventory lists what the source has",
                         "VMs are not in the source's inventory", vm_text(ref));
        break;
    case MAPPING_AMBIGUOUS:
        finding_add_item(status, "DuplicateVM", CONDITION_CRITICAL, "Ambiguous",
                         "use the id instead of the name", "names fit several VMs of the source",
                         vm_text(ref));
        break;
    case MAPPING_FOUND:
        if (!note(scan->ids, obj_str(*vm, "id", "")))
            finding_add_item(status, "DuplicateVM", CONDITION_CRITICAL, "NotUnique",
                             "name each VM once", "VMs are in the plan more than once",
                             vm_text(*vm));
        break;
    }
    return 0;
}

static void check_names(struct scan *scan, const json_t *ref, const json_t *vm)
{
    json_t *status = scan->view->status;
    const char *name = obj_str(vm, "name", "");
    const char *target = obj_str(ref, "targetName", "");

    if (target[0] == '\0') {
        if (!name_is_subdomain(name, strlen(name)))
            finding_add_item(status, "TargetNameNotValid", CONDITION_WARN, "NotValid",
                             "set targetName to choose the name yourself",
                             "VMs will be renamed: their names are not valid on the target", name);
        return;
    }
    /* it is also the machine's host name and a label of its pod, which have 63 */
    if (!name_is_subdomain(target, strlen(target)) || strlen(target) > NAME_LABEL_MAX) {
        CLEANUP(str) char *item = xasprintf("%s: targetName \"%s\"", name, target);
        finding_add_item(status, "NotValid", CONDITION_CRITICAL, "TargetName",
                         "use letters of lower case, digits, '-' and '.', at most 63",
                         "target names are not valid", item);
    }
    if (!note(scan->target_names, target))
        finding_add_item(status, "DuplicateVM", CONDITION_CRITICAL, "TargetNameNotUnique",
                         "give each VM a target name of its own",
                         "target names are used more than once", target);
}

/* True if TARGET was made by this plan for this VM. */
static bool is_own(struct scan *scan, const json_t *target, const char *vm_id)
{
    CLEANUP(str) char *id = name_fix_label_value(vm_id);

    return str_eq(meta_label(target, "plan"), meta_uid(scan->view->plan)) &&
           str_eq(meta_label(target, "vmID"), id);
}

static void check_existing(struct scan *scan, const json_t *ref, const json_t *vm)
{
    const char *id = obj_str(vm, "id", "");
    const char *name = obj_str(ref, "targetName", "");
    const char *ns = obj_str(scan->view->plan, "spec.targetNamespace", "");

    if (name[0] == '\0')
        name = obj_str(vm, "name", "");
    CLEANUP(str) char *key = meta_key(ns, name);
    const json_t *target = map_find(scan->targets, key);
    if (target != NULL && !is_own(scan, target, id))
        finding_add_item(scan->view->status, "VMAlreadyExists", CONDITION_CRITICAL, "NotUnique",
                         "set targetName, or remove the machine on the target",
                         "machines of these names exist in the target namespace", name);
}

static char *fold_mac(const char *mac)
{
    char *folded = xstrdup(mac);

    for (char *c = folded; *c != '\0'; c++)
        *c = (char)tolower((unsigned char)*c);
    return folded;
}

static void check_macs(struct scan *scan, const struct machine *machine)
{
    for (size_t n = 0; n < machine->nics.len; n++) {
        const char *mac = machine->nics.ptr[n].mac;
        CLEANUP(str) char *folded = mac != NULL ? fold_mac(mac) : NULL;
        const json_t *users = mac != NULL ? map_find(scan->macs, folded) : NULL;
        for (size_t i = 0; i < json_array_size(users); i++) {
            const json_t *target = json_array_get(users, i);
            if (is_own(scan, target, machine->id))
                continue;
            CLEANUP(str) char *item = xasprintf("%s: %s is used by %s/%s", machine->name, mac,
                                                meta_ns(target), meta_name(target));
            finding_add_item(scan->view->status, "MacConflicts", CONDITION_CRITICAL, "NotValid",
                             "change or remove the other machine",
                             "MAC addresses are in use on the destination", item);
        }
    }
}

/* Addresses that a NIC keeps must be some of the network that stands for the pod network. */
static void check_udn_addresses(struct scan *scan, const struct machine *machine,
                                const struct machine_nic *nic)
{
    for (size_t i = 0; nic->mac != NULL && i < machine->static_ips.len; i++) {
        CLEANUP(str) char *address = udn_address_of(machine->static_ips.ptr[i], nic->mac);
        if (address == NULL || udn_covers(&scan->view->udn, address))
            continue;
        CLEANUP(str) char *item = xasprintf("%s: %s", machine->name, address);
        finding_add_item(scan->view->status, "VMIpNotMatchingUdnSubnet", CONDITION_WARN, "NotValid",
                         "widen the network's subnets, or set spec.preserveStaticIPs to false",
                         "addresses of VMs are outside of the target's user-defined network", item);
    }
}

static void check_networks(struct scan *scan, const struct machine *machine)
{
    json_t *status = scan->view->status;
    size_t pods = 0;

    for (size_t i = 0; i < machine->nics.len; i++) {
        const struct machine_nic *nic = &machine->nics.ptr[i];
        if (!mapping_has_network(&scan->view->networks, nic)) {
            CLEANUP(str) char *item =
                xasprintf("%s: NIC \"%s\"", machine->name, nic->name != NULL ? nic->name : "");
            finding_add_item(status, "VMNetworksNotMapped", CONDITION_CRITICAL, "NotValid",
                             "add their networks to the network map",
                             "VMs have networks that the network map does not name", item);
            continue;
        }
        const json_t *destination = mapping_take_network(&scan->view->networks, nic);
        if (!str_eq(obj_str(destination, "type", ""), "pod"))
            continue;
        pods++;
        if (plan_view_keeps_udn_addresses(scan->view))
            check_udn_addresses(scan, machine, nic);
    }
    mapping_release(&scan->view->networks);
    if (pods > 1)
        finding_add_item(status, "VMMultiplePodNetworkMappings", CONDITION_CRITICAL, "NotValid",
                         "map all but one of their networks to multus or ignored",
                         "VMs would have several NICs on the pod network", machine->name);
}

static void check_disks(struct scan *scan, const struct machine *machine)
{
    json_t *status = scan->view->status;

    for (size_t i = 0; i < machine->disks.len; i++) {
        const struct machine_disk *disk = &machine->disks.ptr[i];
        CLEANUP(str) char *item = xasprintf("%s: disk \"%s\"", machine->name, disk->name);
        if (mapping_find_storage(&scan->view->storages, disk) == NULL)
            finding_add_item(status, "VMStorageNotMapped", CONDITION_CRITICAL, "NotValid",
                             "add their storage to the storage map",
                             "VMs have storage that the storage map does not name", item);
        if (disk->capacity_bytes == 0)
            finding_add_item(status, "InvalidDiskSizes", CONDITION_CRITICAL, "NotValid",
                             "remove the disk from the source, or repair its description",
                             "VMs have disks of no size", item);
    }
}

static void check_concerns(struct scan *scan, const json_t *vm)
{
    const json_t *concerns = obj_arr(vm, "concerns");

    for (size_t i = 0; i < json_array_size(concerns); i++) {
        const json_t *concern = json_array_get(concerns, i);
        CLEANUP(str) char *item =
            xasprintf("%s: %s", obj_str(vm, "name", ""), obj_str(concern, "label", ""));
        if (str_eq(obj_str(concern, "category", ""), "Critical"))
            finding_add_item(scan->view->status, "VMCriticalConcerns", CONDITION_CRITICAL,
                             "NotValid", "see the VM's concerns in the inventory",
                             "VMs have concerns that stand against a migration", item);
        if (str_eq(obj_str(concern, "id", ""), "ova.source.unsupported"))
            finding_add_item(scan->view->status, "UnsupportedOVFExportSource", CONDITION_WARN,
                             "NotSupported", NULL,
                             "OVFs were not exported by VMware products", item);
    }
}

/* virt-v2v would fail on such disks after all of them were copied: refused while nothing is done.  Its
 * version here takes a passphrase only for a device that is named by its UUID, and unlocking by a
 * Tang server needs an appliance with Clevis. */
static void check_encryption(struct scan *scan, const json_t *ref, const char *name)
{
    bool clevis = obj_bool(ref, "nbdeClevis", false);
    bool luks = obj_str(ref, "luks.name", "")[0] != '\0';

    if (clevis && luks)
        finding_add_item(scan->view->status, "LuksAndClevisIncompatibility", CONDITION_WARN,
                         "NotValid", "give one of luks and nbdeClevis",
                         "VMs name both a LUKS secret and a Tang server: the secret is used", name);
    if ((!clevis && !luks) || !plan_view_converts(scan->view) ||
        obj_str(scan->view->plan, "spec.virtV2vImage", "")[0] != '\0')
        return;
    finding_add_item(scan->view->status, "EncryptedDisksNotSupported", CONDITION_CRITICAL,
                     clevis ? "NbdeClevis" : "Luks",
                     "move the disks as they are (spec.skipGuestConversion), or name an image that "
                     "unlocks them (spec.virtV2vImage)",
                     clevis ? "guests whose disks a Tang server unlocks cannot be converted here"
                            : "guests on LUKS disks cannot be converted here",
                     name);
}

static int check_machine(struct scan *scan, const json_t *ref, const json_t *vm,
                         struct error **err)
{
    struct plan_view *view = scan->view;
    CLEANUP(machine) struct machine *machine = NULL;
    CLEANUP(error) struct error *failure = NULL;

    if (view->source == NULL)
        return 0;
    if (view->ops->describe(view->source, vm, &machine, &failure) == -1) {
        CLEANUP(str) char *why = error_format(failure);
        CLEANUP(str) char *item = xasprintf("%s: %s", obj_str(vm, "name", ""), why);
        finding_add_item(view->status, "NotValid", CONDITION_CRITICAL, "VMNotUnderstood",
                         error_get_hint(failure), "VMs cannot be described", item);
        return 0;
    }
    check_networks(scan, machine);
    check_disks(scan, machine);
    check_macs(scan, machine);
    plan_check_machine_names(view, ref, machine, scan->claims);
    return str_eq(view->provider_type, "vsphere") ? plan_check_vsphere(view, vm, machine, err) : 0;
}

static void note_target(struct scan *scan, json_t *target)
{
    const json_t *nics = obj_arr(target, "spec.template.spec.domain.devices.interfaces");
    CLEANUP(str) char *key = meta_key_of(target);

    map_put(scan->targets, key, target);
    for (size_t i = 0; i < json_array_size(nics); i++) {
        const char *mac = obj_str(json_array_get(nics, i), "macAddress", NULL);
        CLEANUP(str) char *folded = mac != NULL ? fold_mac(mac) : NULL;
        json_t *users = mac != NULL ? map_find(scan->macs, folded) : NULL;
        if (mac == NULL)
            continue;
        if (users == NULL) {
            users = json_array();
            map_put(scan->macs, folded, users);
        }
        json_array_append(users, target);
    }
}

/* A plan that is done is looked at whenever something changes at its destination, and there may be
 * thousands of machines: they are listed only where something is left to be moved. */
static int need_targets(struct scan *scan, struct error **err)
{
    if (scan->target_vms != NULL)
        return 0;
    if (kube_list(scan->view->room->client, &KIND_VM, NULL, NULL, &scan->target_vms, err) == -1)
        return error_wrap(err, "cannot list the destination's machines");
    for (size_t i = 0; i < json_array_size(scan->target_vms); i++)
        note_target(scan, json_array_get(scan->target_vms, i));
    return 0;
}

static int check_vm(struct scan *scan, const json_t *ref, struct error **err)
{
    json_auto_t *vm = NULL;

    if (resolve(scan, ref, &vm, err) == -1)
        return -1;
    if (vm == NULL || map_find(scan->succeeded, obj_str(vm, "id", "")) != NULL)
        return 0;
    if (need_targets(scan, err) == -1)
        return -1;
    check_names(scan, ref, vm);
    check_existing(scan, ref, vm);
    check_encryption(scan, ref, obj_str(vm, "name", ""));
    check_concerns(scan, vm);
    return check_machine(scan, ref, vm, err);
}

/* ---- all of them ------------------------------------------------------------------------- */

static void scan_init(struct scan *scan, struct plan_view *view)
{
    const json_t *before = obj_arr(view->status, "migration.vms");

    *scan = (struct scan){.view = view,
                          .ids = map_new(),
                          .target_names = map_new(),
                          .claims = map_new(),
                          .targets = map_new(),
                          .macs = map_new(),
                          .succeeded = map_new()};
    for (size_t i = 0; i < json_array_size(before); i++)
        if (vm_status_is_succeeded(json_array_get(before, i)))
            note(scan->succeeded, obj_str(json_array_get(before, i), "id", ""));
}

static void free_users(void *users)
{
    json_decref(users);
}

static void scan_reset(struct scan *scan)
{
    map_free(scan->ids, NULL);
    map_free(scan->target_names, NULL);
    map_free(scan->claims, free);
    map_free(scan->targets, NULL);
    map_free(scan->macs, free_users);
    map_free(scan->succeeded, NULL);
    json_decref(scan->target_vms);
}

int plan_check_vms(struct plan_view *view, struct error **err)
{
    const json_t *vms = obj_arr(view->plan, "spec.vms");
    struct scan scan;
    int result = 0;

    scan_init(&scan, view);
    for (size_t i = 0; result == 0 && i < json_array_size(vms); i++)
        result = check_vm(&scan, json_array_get(vms, i), err);
    scan_reset(&scan);
    return result;
}
