#include "move/vm/plan_check_vsphere.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "data/obj.h"
#include "inventory/inventory.h"
#include "kube/meta.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char *name_of(const json_t *vm)
{
    return obj_str(vm, "name", "");
}

static bool is_on(const json_t *vm)
{
    return str_eq(obj_str(vm, "powerState", ""), "poweredOn");
}

/* A guest that runs must be able to shut itself down. */
static void check_tools(struct plan_view *view, const json_t *vm)
{
    const char *status = obj_str(vm, "toolsStatus", "");
    const char *running = obj_str(vm, "toolsRunningStatus", "");

    if (!is_on(vm) || str_eq(running, "guestToolsRunning") ||
        (running[0] == '\0' && status[0] == '\0'))
        return;
    CLEANUP(str) char *item = xasprintf("%s: %s", name_of(vm), running[0] ? running : status);
    finding_add_item(view->status, "GuestToolsIssue", CONDITION_CRITICAL, "NotValid",
                     "start VMware Tools in the guest, or switch the VM off",
                     "VMware Tools do not run in VMs that are on", item);
}

static bool tracks_changes(const json_t *vm)
{
    return obj_bool(vm, "changeTrackingEnabled", false);
}

static void check_warm(struct plan_view *view, const json_t *vm)
{
    bool enable = str_eq(meta_annotation(view->plan, ANNOTATION_ENABLE_TRACKING), "true");

    if (!plan_view_is_warm(view))
        return;
    if (!tracks_changes(vm))
        finding_add_item(view->status, "VMMissingChangedBlockTracking",
                         enable ? CONDITION_ADVISORY : CONDITION_CRITICAL,
                         "MissingChangedBlockTracking",
                         "switch it on in vSphere, or set the plan's annotation "
                         ANNOTATION_ENABLE_TRACKING " to \"true\"",
                         "changed block tracking is not on", name_of(vm));
    if (obj_str(vm, "snapshot.id", "")[0] != '\0')
        finding_add_item(view->status, "VMHasSnapshots", CONDITION_CRITICAL, "NotValid",
                         "remove the snapshots", "VMs have snapshots", name_of(vm));
    if (obj_bool(vm, "consolidationNeeded", false))
        finding_add_item(view->status, "VMConsolidationNeeded", CONDITION_WARN,
                         "ConsolidationNeeded", "consolidate their disks in vSphere",
                         "disks of VMs need consolidation", name_of(vm));
}

static bool has_file(const json_t *vm, const char *file)
{
    const json_t *disks = obj_arr(vm, "disks");

    for (size_t i = 0; i < json_array_size(disks); i++)
        if (str_eq(obj_str(json_array_get(disks, i), "file", ""), file))
            return true;
    return false;
}

static bool is_in_plan(const struct plan_view *view, const json_t *vm)
{
    const json_t *refs = obj_arr(view->plan, "spec.vms");

    for (size_t i = 0; i < json_array_size(refs); i++) {
        const json_t *ref = json_array_get(refs, i);
        if (str_eq(obj_str(ref, "id", ""), obj_str(vm, "id", "")) ||
            str_eq(obj_str(ref, "name", ""), name_of(vm)))
            return true;
    }
    return false;
}

/* A shared disk of a cold move: nobody else may write to it meanwhile, and who moves it twice has it
 * twice. */
static void check_shared(struct plan_view *view, const json_t *vm, const json_t *disk)
{
    const char *file = obj_str(disk, "file", "");
    bool moves = obj_bool(view->plan, "spec.migrateSharedDisks", true);
    json_auto_t *all =
        inventory_list(view->room->inventory, view->provider_ns, view->provider_name, "VM");

    for (size_t i = 0; moves && i < json_array_size(all); i++) {
        const json_t *other = json_array_get(all, i);
        if (str_eq(obj_str(other, "id", ""), obj_str(vm, "id", "")) || !has_file(other, file))
            continue;
        CLEANUP(str) char *item =
            xasprintf("%s: %s is in %s, too", name_of(vm), file, name_of(other));
        if (is_on(other))
            finding_add_item(view->status, "SharedDisks", CONDITION_CRITICAL, "NotValid",
                             "switch the other VMs off",
                             "VMs that run share disks with VMs of the plan", item);
        else if (is_in_plan(view, other))
            finding_add_item(view->status, "SharedWarnDisks", CONDITION_WARN, "NotValid",
                             "set migrateSharedDisks to false in all but one plan",
                             "disks that VMs share will be copied for each of them", item);
    }
}

static void check_disks(struct plan_view *view, const json_t *vm, const struct machine *machine)
{
    const json_t *disks = obj_arr(vm, "disks");
    bool warm = plan_view_is_warm(view);

    for (size_t i = 0; i < json_array_size(disks); i++) {
        const json_t *disk = json_array_get(disks, i);
        CLEANUP(str) char *item = xasprintf("%s: %s", name_of(vm), obj_str(disk, "file", ""));

        if (obj_bool(disk, "rdm", false) && (!warm || obj_bool(disk, "physicalMode", false)))
            finding_add_item(view->status, "RDMDiskWarning", CONDITION_WARN, "NotSupported", NULL,
                             "VMs have raw device mappings", item);
        if (str_starts_with(obj_str(disk, "mode", ""), "independent"))
            finding_add_item(view->status, "IndependentDiskWarning", CONDITION_WARN,
                             "NotSupported", "snapshots leave such disks out",
                             "VMs have disks of an independent mode", item);
        if (obj_bool(disk, "shared", false) && warm)
            finding_add_item(view->status, "SharedDisks", CONDITION_CRITICAL, "NotValid",
                             "move VMs with shared disks cold",
                             "disks that VMs share cannot be moved while they run", item);
        if (obj_bool(disk, "shared", false) && !warm)
            check_shared(view, vm, disk);
    }
    for (size_t i = 0; i < machine->disks.len; i++) {
        const struct machine_disk *disk = &machine->disks.ptr[i];
        if (disk->access != NULL)
            finding_add_item(view->status, "DiskAccess", CONDITION_ADVISORY, "Chosen",
                             "settings.diskAccess of the provider may say vddk, https or export",
                             "how the disks are read", disk->access);
        if (disk->cold_only && warm) {
            CLEANUP(str) char *cold = xasprintf("%s: %s", name_of(vm), disk->name);
            finding_add_item(view->status, "VDDKInitImageUnavailable", CONDITION_CRITICAL, "NotSet",
                             "name a VDDK image in the provider's vddkInitImage, or move them cold",
                             "these disks cannot be read of a snapshot without VDDK", cold);
        }
        if (disk->unreadable == NULL)
            continue;
        CLEANUP(str) char *item = xasprintf("%s: %s: %s", name_of(vm), disk->name, disk->unreadable);
        finding_add_item(view->status, "VDDKInitImageUnavailable", CONDITION_CRITICAL, "NotSet",
                         "name a VDDK image in the provider's vddkInitImage",
                         "disks can be read through VDDK only", item);
    }
}

static void check_state(struct plan_view *view, const json_t *vm)
{
    const char *state = obj_str(vm, "connectionState", "");

    if (obj_bool(vm, "isTemplate", false))
        finding_add_item(view->status, "NotValid", CONDITION_CRITICAL, "Template",
                         "take them out of the plan", "templates cannot be moved", name_of(vm));
    if (state[0] != '\0' && !str_eq(state, "connected")) {
        CLEANUP(str) char *item = xasprintf("%s: %s", name_of(vm), state);
        finding_add_item(view->status, "NotValid", CONDITION_CRITICAL, "NotConnected",
                         "connect their hosts in vSphere", "VMs are not connected", item);
    }
}

static int check_host(struct plan_view *view, const json_t *vm, struct error **err)
{
    const char *id = obj_str(vm, "host", "");
    json_auto_t *host = NULL;

    if (id[0] == '\0')
        return 0;
    if (inventory_find(view->room->inventory, view->provider_ns, view->provider_name, "Host", id,
                       NULL, &host, err) == -1)
        return -1;
    if (host == NULL || !obj_bool(host, "inMaintenance", false))
        return 0;
    CLEANUP(str) char *item = xasprintf("%s: %s", name_of(vm), obj_str(host, "name", id));
    finding_add_item(view->status, "HostNotReady", CONDITION_WARN, "InMaintenanceMode",
                     "end the maintenance of the hosts", "hosts of VMs are in maintenance", item);
    return 0;
}

/* Addresses can be kept only where the guest told them. */
static void check_addresses(struct plan_view *view, const json_t *vm)
{
    const json_t *nics = obj_arr(vm, "nics"), *guests = obj_arr(vm, "guestNetworks");

    if (!obj_bool(view->plan, "spec.preserveStaticIPs", false))
        return;
    for (size_t i = 0; i < json_array_size(nics); i++) {
        const char *mac = obj_str(json_array_get(nics, i), "mac", "");
        bool known = false;

        for (size_t k = 0; k < json_array_size(guests) && !known; k++)
            known = strcasecmp(obj_str(json_array_get(guests, k), "mac", ""), mac) == 0;
        if (known)
            continue;
        CLEANUP(str) char *item = xasprintf("%s: %s", name_of(vm), mac);
        finding_add_item(view->status, "VMMissingGuestIPs", CONDITION_WARN,
                         "MissingGuestInformation", "run the VMs so that VMware Tools report",
                         "the guests did not tell the addresses of NICs", item);
    }
}

int plan_check_vsphere(struct plan_view *view, const json_t *vm, const struct machine *machine,
                       struct error **err)
{
    check_state(view, vm);
    check_tools(view, vm);
    check_warm(view, vm);
    check_disks(view, vm, machine);
    check_addresses(view, vm);
    return check_host(view, vm, err);
}
