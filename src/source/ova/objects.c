#include "source/ova/objects.h"

#include "base/array.h"
#include "base/file.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/text.h"
#include "data/obj.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* The keys of the inventory's answers are those of Forklift: outer objects in lower camel case, the
 * structs inside a VM with a capital letter. */

/* Names that mean something to people. */

static const char *disk_name(const struct ovf *ovf, const struct ovf_disk *disk)
{
    return disk->file == OVF_NONE ? disk->id : ovf->files.ptr[disk->file].href;
}

/* The archive, or the folder of the descriptor with a slash at its end.  Owned by the caller. */
static char *file_path(const struct ova_share *share, const struct ova_entry *entry)
{
    CLEANUP(str) char *path = ova_share_display_path(share, entry->path);

    if (entry->package->is_archive)
        return steal(&path);
    return xstrndup(path, (size_t)(path_base(path) - path));
}

static void disk_id(const struct ova_entry *entry, size_t index, char id[OVA_ID_SIZE])
{
    const struct ovf *ovf = entry->package->ovf;
    const struct ovf_disk *disk = &ovf->disks.ptr[index];
    CLEANUP(str) char *whole = xasprintf("%s/%s", entry->path, disk_name(ovf, disk));

    ova_id("Disk", whole, id);
}

/* JSON. */

static json_t *text_or_empty(const char *text)
{
    return json_string(text ? text : "");
}

static json_t *disk_fields(const struct ova_share *share, const struct ova_entry *entry,
                           size_t index)
{
    const struct ovf *ovf = entry->package->ovf;
    const struct ovf_disk *disk = &ovf->disks.ptr[index];
    CLEANUP(str) char *path = file_path(share, entry);
    uint64_t capacity = 0;
    json_t *o = json_object();

    span_u64(span_trim(span_of(disk->capacity)), &capacity);
    obj_put_str(o, "FilePath", path);
    obj_put_int(o, "Capacity", (int64_t)capacity);
    obj_take(o, "CapacityAllocationUnits", text_or_empty(disk->capacity_units));
    obj_put_str(o, "DiskId", disk->id);
    obj_take(o, "FileRef",
             text_or_empty(disk->file == OVF_NONE ? NULL : ovf->files.ptr[disk->file].id));
    obj_take(o, "Format", text_or_empty(disk->format));
    obj_put_int(o, "PopulatedSize", (int64_t)disk->populated_bytes);
    return o;
}

/* What comes first in the structs inside a VM.  Takes FIELDS. */
static json_t *nested(const char *id, const char *name, json_t *fields)
{
    json_t *o =
        obj_pack("{s:s, s:s, s:s, s:i}", "ID", id, "Variant", "", "Name", name, "Revision", 1);

    json_object_update(o, fields);
    json_decref(fields);
    return o;
}

static json_t *base(const char *id, const char *name)
{
    return obj_pack("{s:s, s:s}", "id", id, "name", name);
}

static json_t *vm_disks(const struct ova_share *share, const struct ova_entry *entry,
                        const struct ovf_system *system)
{
    const struct ovf *ovf = entry->package->ovf;
    json_t *list = json_array();

    for (size_t i = 0; i < system->drives.len; i++) {
        size_t index = system->drives.ptr[i].disk;
        char id[OVA_ID_SIZE];

        disk_id(entry, index, id);
        json_array_append_new(list, nested(id, disk_name(ovf, &ovf->disks.ptr[index]),
                                           disk_fields(share, entry, index)));
    }
    return list;
}

static json_t *network_fields(const struct ovf_network *network)
{
    json_t *o = json_object();

    obj_take(o, "Description", text_or_empty(network->description));
    return o;
}

/* Each network that a NIC of the machine is on, once. */
static json_t *vm_networks(const struct ovf *ovf, const struct ovf_system *system)
{
    json_t *list = json_array();

    for (size_t i = 0; i < ovf->networks.len; i++) {
        const struct ovf_network *network = &ovf->networks.ptr[i];
        char id[OVA_ID_SIZE];
        bool used = false;

        for (size_t j = 0; j < system->nics.len && !used; j++)
            used = system->nics.ptr[j].network == i;
        if (!used)
            continue;
        ova_id("Network", network->name, id);
        json_array_append_new(list, nested(id, network->name, network_fields(network)));
    }
    return list;
}

static json_t *vm_nics(const struct ovf *ovf, const struct ovf_system *system)
{
    json_t *list = json_array();

    for (size_t i = 0; i < system->nics.len; i++) {
        const struct ovf_nic *nic = &system->nics.ptr[i];
        json_t *config = json_array();
        json_t *o = json_object();

        for (size_t j = 0; j < nic->config.len; j++)
            json_array_append_new(config, obj_pack("{s:s, s:s}", "Key", nic->config.ptr[j].key,
                                                   "Value", nic->config.ptr[j].value));
        obj_put_str(o, "Name", nic->name);
        obj_take(o, "MAC", text_or_empty(nic->mac));
        obj_take(
            o, "Network",
            text_or_empty(nic->network == OVF_NONE ? NULL : ovf->networks.ptr[nic->network].name));
        obj_take(o, "Config", config);
        json_array_append_new(list, o);
    }
    return list;
}

static json_t *vm_devices(const struct ovf_system *system)
{
    json_t *list = json_array();

    for (size_t i = 0; i < system->devices.len; i++)
        json_array_append_new(list, obj_pack("{s:s}", "Kind", system->devices.ptr[i]));
    return list;
}

/* The UUID that the guest sees: the id where that is one, else one made of its digits (version 8,
 * RFC 9562: up to whoever makes it). */
static void format_uuid(const char *id, char uuid[OVA_ID_SIZE])
{
    if (strchr(id, '-') != NULL)
        memcpy(uuid, id, OVA_ID_SIZE);
    else
        snprintf(uuid, OVA_ID_SIZE, "%.8s-%.4s-8%.3s-a%.3s-%.12s", id, id + 8, id + 12, id + 15,
                 id + 18);
}

static json_t *vm_object(const struct ova_share *share, const struct ova_entry *entry, size_t index)
{
    const struct ovf *ovf = entry->package->ovf;
    const struct ovf_system *system = &ovf->systems.ptr[index];
    CLEANUP(str) char *path = ova_share_display_path(share, entry->path);
    char uuid[OVA_ID_SIZE];
    json_t *o = base(entry->vm_ids[index], system->name);

    format_uuid(entry->vm_ids[index], uuid);
    obj_take(o, "networks", vm_networks(ovf, system));
    obj_take(o, "disks", vm_disks(share, entry, system));
    obj_put_str(o, "ovfPath", path);
    obj_put_str(o, "exportSource", ovf->export_source);
    obj_take(o, "osType", text_or_empty(system->os_type));
    obj_put_str(o, "uuid", uuid);
    obj_put_str(o, "firmware", system->efi ? "efi" : "bios");
    obj_put_bool(o, "secureBoot", system->secure_boot);
    obj_take(o, "cpuAffinity", json_null());
    obj_put_bool(o, "cpuHotAddEnabled", system->cpu_hot_add);
    obj_put_bool(o, "cpuHotRemoveEnabled", system->cpu_hot_remove);
    obj_put_bool(o, "memoryHotAddEnabled", system->memory_hot_add);
    obj_put_bool(o, "faultToleranceEnabled", false);
    obj_put_int(o, "cpuCount", system->cpu_count);
    obj_put_int(o, "coresPerSocket", system->cores_per_socket);
    obj_put_int(o, "memoryMB", (int64_t)system->memory_quantity);
    obj_take(o, "memoryUnits", text_or_empty(system->memory_units));
    obj_take(o, "cpuUnits", text_or_empty(system->cpu_units));
    obj_put_int(o, "balloonedMemory", 0);
    obj_put_str(o, "ipAddress", "");
    obj_take(o, "numaNodeAffinity", json_null());
    obj_put_int(o, "storageUsed", 0);
    obj_put_bool(o, "changeTrackingEnabled", false);
    obj_take(o, "devices", vm_devices(system));
    obj_take(o, "nics", vm_nics(ovf, system));
    return o;
}

static void put_disk(const struct ova_share *share, const struct ova_entry *entry, size_t index,
                     const struct source_sink *sink)
{
    const struct ovf *ovf = entry->package->ovf;
    const char *name = disk_name(ovf, &ovf->disks.ptr[index]);
    char id[OVA_ID_SIZE];

    disk_id(entry, index, id);
    json_auto_t *storage = base(id, name);
    json_auto_t *disk = base(id, name);
    json_auto_t *fields = disk_fields(share, entry, index);
    json_object_update(disk, fields);
    sink->put(sink->arg, "Disk", disk);
    sink->put(sink->arg, "Storage", storage);
}

static void put_network(const struct ovf_network *network, const struct source_sink *sink)
{
    char id[OVA_ID_SIZE];

    ova_id("Network", network->name, id);
    json_auto_t *o = base(id, network->name);
    json_auto_t *fields = network_fields(network);
    json_object_update(o, fields);
    sink->put(sink->arg, "Network", o);
}

void ova_objects_put(const struct ova_share *share, const struct ova_entry *entry,
                     const struct source_sink *sink, struct map *seen)
{
    struct ovf *ovf = entry->package->ovf;

    for (size_t i = 0; i < ovf->networks.len; i++)
        if (map_find(seen, ovf->networks.ptr[i].name) == NULL) {
            map_put(seen, ovf->networks.ptr[i].name, ovf);
            put_network(&ovf->networks.ptr[i], sink);
        }
    for (size_t i = 0; i < ovf->disks.len; i++)
        put_disk(share, entry, i, sink);
    for (size_t i = 0; i < ovf->systems.len; i++) {
        json_auto_t *vm = vm_object(share, entry, i);

        sink->put(sink->arg, "VM", vm);
    }
}

void ova_objects_put_storage(const char *uid, const char *name, const struct source_sink *sink)
{
    CLEANUP(str) char *title = xasprintf("Dummy storage for source provider %s", name);
    json_auto_t *o = base(uid, title);

    sink->put(sink->arg, "Storage", o);
}

/* The neutral description. */

static void describe_disks(const struct ova_share *share, const struct ova_entry *entry,
                           const struct ovf_system *system, const char *group,
                           struct machine *machine)
{
    const struct ovf *ovf = entry->package->ovf;
    CLEANUP(str) char *path = file_path(share, entry);

    for (size_t i = 0; i < system->drives.len; i++) {
        const struct ovf_drive *drive = &system->drives.ptr[i];
        const struct ovf_disk *disk = &ovf->disks.ptr[drive->disk];
        char id[OVA_ID_SIZE];

        disk_id(entry, drive->disk, id);
        machine_disk_list_push(&machine->disks,
                               (struct machine_disk){
                                   .id = xstrdup(id),
                                   .name = xasprintf("%s::%s", path, disk_name(ovf, disk)),
                                   .storage_id = xstrdup(id),
                                   .storage_group_id = xstrdup(group),
                                   .capacity_bytes = disk->capacity_bytes,
                                   .bus = drive->bus,
                               });
    }
}

/* The model that a target knows. */
static const char *nic_model(const char *written)
{
    static const struct {
        const char *part, *model;
    } models[] = {
        {"vmxnet", "virtio"}, {"virtio", "virtio"}, {"e1000e", "e1000e"},
        {"e1000", "e1000"},   {"pcnet", "pcnet"},   {"rtl8139", "rtl8139"},
    };

    for (size_t i = 0; written != NULL && i < ARRAY_SIZE(models); i++)
        if (strcasestr(written, models[i].part) != NULL)
            return models[i].model;
    return NULL;
}

static void describe_nics(const struct ovf *ovf, const struct ovf_system *system,
                          struct machine *machine)
{
    for (size_t i = 0; i < system->nics.len; i++) {
        const struct ovf_nic *nic = &system->nics.ptr[i];
        const char *model = nic_model(nic->model);
        char id[OVA_ID_SIZE] = "";

        if (nic->network != OVF_NONE)
            ova_id("Network", ovf->networks.ptr[nic->network].name, id);
        machine_nic_list_push(&machine->nics, (struct machine_nic){
                                                  .name = xstrdup(nic->name),
                                                  .mac = nic->mac ? xstrdup(nic->mac) : NULL,
                                                  .network_id = xstrdup(id),
                                                  .model = model ? xstrdup(model) : NULL,
                                              });
    }
}

struct machine *ova_objects_describe(const struct ova_share *share, const struct ova_entry *entry,
                                     size_t index, const char *group)
{
    const struct ovf_system *system = &entry->package->ovf->systems.ptr[index];
    struct machine *machine = machine_new();
    char uuid[OVA_ID_SIZE];
    uint32_t cores = system->cores_per_socket;

    if (cores == 0 || system->cpu_count % cores != 0)
        cores = 1;
    format_uuid(entry->vm_ids[index], uuid);
    machine->id = xstrdup(entry->vm_ids[index]);
    machine->name = xstrdup(system->name);
    machine->uuid = xstrdup(uuid);
    machine->os = system->os_type ? xstrdup(system->os_type) : NULL;
    machine->efi = system->efi;
    machine->secure_boot = system->secure_boot;
    machine->tpm = system->tpm;
    machine->sockets = system->cpu_count / cores;
    machine->cores = cores;
    machine->threads = 1;
    machine->memory_bytes = system->memory_bytes;
    describe_disks(share, entry, system, group, machine);
    describe_nics(entry->package->ovf, system, machine);
    return machine;
}
