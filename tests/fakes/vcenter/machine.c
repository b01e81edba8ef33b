/* Machines as the API shows them. */
#include "fake.h"

#include "base/array.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

struct fake_machine *fake_find_machine(struct fake_vcenter *fake, const char *id)
{
    uintptr_t place = (uintptr_t)map_find(fake->index, id);
    struct fake_machine *machine = place == 0 ? NULL : &fake->machines.ptr[place - 1];

    return machine == NULL || machine->removed ? NULL : machine;
}

struct fake_machine *fake_find_machine_by_name(struct fake_vcenter *fake, const char *name)
{
    for (size_t i = 0; i < fake->machines.len; i++)
        if (!fake->machines.ptr[i].removed && str_eq(fake->machines.ptr[i].name, name))
            return &fake->machines.ptr[i];
    return fake_find_machine(fake, name);
}

struct disk *fake_find_disk(struct fake_machine *machine, int key)
{
    for (size_t i = 0; i < machine->disks.len; i++)
        if (machine->disks.ptr[i].key == key)
            return &machine->disks.ptr[i];
    return NULL;
}

void fake_touch(struct fake_vcenter *fake, struct fake_machine *machine)
{
    machine->changed = ++fake->version;
    pthread_cond_broadcast(&fake->changed);
}

static void snapshot_reset(struct fake_snapshot *snapshot)
{
    for (size_t i = 0; i < snapshot->images.len; i++) {
        free(snapshot->images.ptr[i].written);
        free(snapshot->images.ptr[i].change_id);
    }
    fake_image_list_reset(&snapshot->images);
    free(snapshot->id);
    free(snapshot->name);
    free(snapshot->description);
}

void fake_machine_reset(struct fake_machine *machine)
{
    for (size_t i = 0; i < machine->disks.len; i++)
        disk_reset(&machine->disks.ptr[i]);
    disk_list_reset(&machine->disks);
    for (size_t i = 0; i < machine->nics.len; i++)
        free(machine->nics.ptr[i].mac);
    fake_nic_list_reset(&machine->nics);
    for (size_t i = 0; i < machine->snapshots.len; i++)
        snapshot_reset(&machine->snapshots.ptr[i]);
    fake_snapshot_list_reset(&machine->snapshots);
    free(machine->id);
    free(machine->name);
    free(machine->uuid);
    free(machine->instance_uuid);
    free(machine->guest_id);
    free(machine->guest_name);
    free(machine->address);
}

struct fake_snapshot *fake_find_snapshot(struct fake_vcenter *fake, const char *id,
                                         struct fake_machine **machine)
{
    for (size_t i = 0; i < fake->machines.len; i++)
        for (size_t k = 0; k < fake->machines.ptr[i].snapshots.len; k++)
            if (str_eq(fake->machines.ptr[i].snapshots.ptr[k].id, id)) {
                *machine = &fake->machines.ptr[i];
                return &fake->machines.ptr[i].snapshots.ptr[k];
            }
    return NULL;
}

/* Hardware. */

static void add_controllers(const struct fake_machine *machine, struct value *devices)
{
    static const struct {
        int key;
        const char *class;
    } classes[] = {{1000, "ParaVirtualSCSIController"},
                   {1001, "VirtualLsiLogicSASController"},
                   {15000, "VirtualAHCIController"},
                   {31000, "VirtualNVMEController"},
                   {200, "VirtualIDEController"}};

    for (size_t i = 0; i < ARRAY_SIZE(classes); i++)
        for (size_t k = 0; k < machine->disks.len; k++)
            if (machine->disks.ptr[k].controller == classes[i].key) {
                struct value *device = value_add(devices, "device", classes[i].class);

                value_add_int(device, "key", classes[i].key);
                value_add_int(device, "busNumber", classes[i].key % 100);
                break;
            }
}

static char *file_name(const struct disk *disk, size_t layers)
{
    if (layers <= 1)
        return xasprintf("[%s] %s/%s.vmdk", disk->datastore, disk->folder, disk->stem);
    return xasprintf("[%s] %s/%s-%06zu.vmdk", disk->datastore, disk->folder, disk->stem,
                     layers - 1);
}

static const char *datastore_id(const struct disk *disk)
{
    return str_eq(disk->datastore, "vsan") ? "datastore-2" : "datastore-1";
}

/* A disk of LAYERS layers; CHANGE_ID or NULL. */
static void add_disk(const struct fake_machine *machine, const struct disk *disk, size_t layers,
                     uint64_t capacity, const char *change_id, struct value *devices)
{
    struct value *device = value_add(devices, "device", "VirtualDisk");
    CLEANUP(str) char *file = file_name(disk, layers);
    CLEANUP(str) char *serial = xasprintf("6000C29%x-%s", (unsigned)disk->key, machine->id);

    value_add_int(device, "key", disk->key);
    struct value *backing = value_add(device, "backing",
                                      machine->raw_device
                                          ? "VirtualDiskRawDiskMappingVer1BackingInfo"
                                          : "VirtualDiskFlatVer2BackingInfo");
    value_add_string(backing, "fileName", file);
    value_add_ref(backing, "datastore", "Datastore", datastore_id(disk));
    if (machine->raw_device)
        value_add_string(backing, "compatibilityMode", "physicalMode");
    value_add_string(backing, "diskMode",
                     machine->independent ? "independent_persistent" : "persistent");
    if (!machine->raw_device)
        value_add_bool(backing, "thinProvisioned", true);
    value_add_string(backing, "uuid", serial);
    if (change_id != NULL)
        value_add_string(backing, "changeId", change_id);
    if (layers > 1) {
        CLEANUP(str) char *parent = file_name(disk, layers - 1);

        value_add_string(value_add(backing, "parent", "VirtualDiskFlatVer2BackingInfo"),
                         "fileName", parent);
    }
    value_add_int(device, "controllerKey", disk->controller);
    value_add_int(device, "unitNumber", disk->unit);
    value_add_long(device, "capacityInKB", (int64_t)(capacity / 1024));
    value_add_long(device, "capacityInBytes", (int64_t)capacity);
}

static void add_nics(const struct fake_machine *machine, struct value *devices)
{
    for (size_t i = 0; i < machine->nics.len; i++) {
        const struct fake_nic *nic = &machine->nics.ptr[i];
        struct value *device = value_add(devices, "device", nic->class), *backing;

        value_add_int(device, "key", 4000 + (int)i);
        if (nic->standard) {
            backing = value_add(device, "backing", "VirtualEthernetCardNetworkBackingInfo");
            value_add_string(backing, "deviceName", "VM Network");
            value_add_ref(backing, "network", "Network", "network-1");
        } else {
            backing = value_add(device, "backing",
                                "VirtualEthernetCardDistributedVirtualPortBackingInfo");
            backing = value_add(backing, "port", "DistributedVirtualSwitchPortConnection");
            value_add_string(backing, "switchUuid", "1");
            value_add_string(backing, "portgroupKey", "pg-key");
        }
        value_add_bool(value_add(device, "connectable", "VirtualDeviceConnectInfo"),
                       "startConnected", true);
        value_add_string(device, "addressType", "assigned");
        value_add_string(device, "macAddress", nic->mac);
    }
}

static void add_hardware(const struct fake_machine *machine, const struct fake_snapshot *snapshot,
                         struct value *config)
{
    struct value *hardware = value_add(config, "hardware", "VirtualHardware");
    struct value *devices;

    value_add_int(hardware, "numCPU", machine->cpus);
    value_add_int(hardware, "numCoresPerSocket", machine->cores);
    value_add_int(hardware, "memoryMB", machine->memory_mb);
    devices = value_add_array(hardware, "device", "VirtualDevice");
    add_controllers(machine, devices);
    for (size_t i = 0; i < machine->disks.len; i++) {
        const struct disk *disk = &machine->disks.ptr[i];

        if (snapshot == NULL)
            add_disk(machine, disk, disk->layers.len, disk->capacity, NULL, devices);
    }
    for (size_t i = 0; snapshot != NULL && i < snapshot->images.len; i++) {
        const struct fake_image *image = &snapshot->images.ptr[i];
        const struct disk *disk = fake_find_disk((struct fake_machine *)(uintptr_t)machine,
                                                 image->key);

        if (disk != NULL)
            add_disk(machine, disk, image->layers, image->capacity, image->change_id, devices);
    }
    add_nics(machine, devices);
    if (machine->tpm)
        value_add_int(value_add(devices, "device", "VirtualTPM"), "key", 11000);
}

static void add_option(struct value *list, const char *key, const char *text)
{
    struct value *option = value_add(list, "extraConfig", "OptionValue");

    value_add_text(option, "key", NULL, key);
    value_add_string(option, "value", text);
}

static void add_config(const struct fake_machine *machine, const struct fake_snapshot *snapshot,
                       struct value *root)
{
    struct value *config = value_add(root, "config", "VirtualMachineConfigInfo"), *extra;

    value_add_string(config, "changeVersion", "2024-01-01T00:00:00Z");
    value_add_string(config, "name", machine->name);
    value_add_string(config, "guestFullName", machine->guest_name);
    value_add_string(config, "version", "vmx-19");
    value_add_string(config, "uuid", machine->uuid);
    value_add_string(config, "instanceUuid", machine->instance_uuid);
    value_add_bool(config, "template", machine->is_template);
    value_add_string(config, "guestId", machine->guest_id);
    value_add_bool(config, "changeTrackingEnabled", machine->ctk);
    value_add_string(config, "firmware", machine->efi ? "efi" : "bios");
    value_add_bool(value_add(config, "bootOptions", "VirtualMachineBootOptions"),
                   "efiSecureBootEnabled", machine->secure_boot);
    value_add_bool(config, "cpuHotAddEnabled", machine->hot_add);
    value_add_bool(config, "memoryHotAddEnabled", machine->hot_add);
    value_add_bool(config, "nestedHVEnabled", machine->nested);
    extra = value_add_array(config, "extraConfig", "OptionValue");
    add_option(extra, "ctkEnabled", machine->ctk ? "TRUE" : "FALSE");
    for (size_t i = 0; i < machine->disks.len; i++) {
        const struct disk *disk = &machine->disks.ptr[i];
        const char *bus = disk->controller >= 31000   ? "nvme"
                          : disk->controller >= 15000 ? "sata"
                          : disk->controller >= 1000  ? "scsi"
                                                      : "ide";
        CLEANUP(str) char *key =
            xasprintf("%s%d:%d.ctkEnabled", bus, disk->controller % 100, disk->unit);
        add_option(extra, key, machine->ctk ? "TRUE" : "FALSE");
    }
    add_hardware(machine, snapshot, config);
}

/* The guest, the summary, the state. */

static void add_guest(const struct fake_vcenter *fake, const struct fake_machine *machine,
                      struct value *root)
{
    struct value *guest = value_add(root, "guest", "GuestInfo"), *net, *nic, *config, *ip;
    bool running = machine->on && machine->has_tools && fake->tools;

    value_add_string(guest, "toolsStatus", running             ? "toolsOk"
                                           : machine->has_tools ? "toolsNotRunning"
                                                                : "toolsNotInstalled");
    value_add_string(guest, "toolsVersionStatus2", "guestToolsCurrent");
    value_add_string(guest, "toolsRunningStatus",
                     running ? "guestToolsRunning" : "guestToolsNotRunning");
    value_add_string(guest, "guestId", machine->guest_id);
    value_add_string(guest, "guestFullName", machine->guest_name);
    value_add_string(guest, "hostName", machine->name);
    net = value_add_array(guest, "net", "GuestNicInfo");
    for (size_t i = 0; machine->on && machine->address != NULL && i < machine->nics.len; i++) {
        nic = value_add(net, "net", "GuestNicInfo");
        value_add_string(nic, "network", machine->nics.ptr[i].standard ? "VM Network" : "LAN/1");
        value_add_string(nic, "macAddress", machine->nics.ptr[i].mac);
        value_add_bool(nic, "connected", true);
        value_add_int(nic, "deviceConfigId", 4000 + (int)i);
        config = value_add(nic, "ipConfig", "NetIpConfigInfo");
        ip = value_add(config, "ipAddress", "NetIpConfigInfoIpAddress");
        value_add_string(ip, "ipAddress", machine->address);
        value_add_int(ip, "prefixLength", 24);
        value_add_string(ip, "origin", "manual");
        value_add_string(ip, "state", "preferred");
    }
}

static void add_summary(const struct fake_machine *machine, const char *host, struct value *root)
{
    struct value *summary = value_add(root, "summary", "VirtualMachineSummary"), *at;

    value_add_ref(summary, "vm", "VirtualMachine", machine->id);
    at = value_add(summary, "runtime", "VirtualMachineRuntimeInfo");
    value_add_ref(at, "host", "HostSystem", host);
    value_add_text(at, "connectionState", "VirtualMachineConnectionState",
                   machine->disconnected ? "disconnected" : "connected");
    value_add_text(at, "powerState", "VirtualMachinePowerState",
                   machine->on ? "poweredOn" : "poweredOff");
    at = value_add(summary, "guest", "VirtualMachineGuestSummary");
    value_add_string(at, "guestId", machine->guest_id);
    if (machine->address != NULL && machine->on)
        value_add_string(at, "ipAddress", machine->address);
    at = value_add(summary, "config", "VirtualMachineConfigSummary");
    value_add_string(at, "name", machine->name);
    value_add_bool(at, "template", machine->is_template);
    value_add_string(at, "vmPathName", "[ds] x/x.vmx");
    value_add_int(at, "memorySizeMB", machine->memory_mb);
    value_add_int(at, "numCpu", machine->cpus);
    value_add_string(at, "uuid", machine->uuid);
    value_add_string(at, "instanceUuid", machine->instance_uuid);
    value_add_string(at, "guestId", machine->guest_id);
    value_add_string(at, "guestFullName", machine->guest_name);
    value_add_bool(at, "tpmPresent", machine->tpm);
    at = value_add(summary, "storage", "VirtualMachineStorageSummary");
    value_add_long(at, "committed", 1 << 20);
    at = value_add(summary, "quickStats", "VirtualMachineQuickStats");
    value_add_int(at, "balloonedMemory", 0);
    value_add_text(summary, "overallStatus", "ManagedEntityStatus", "green");
}

/* Snapshots are a chain: each below the one before it. */
static void add_snapshots(const struct fake_machine *machine, struct value *root)
{
    struct value *info, *at;

    if (machine->snapshots.len == 0)
        return;
    info = value_add(root, "snapshot", "VirtualMachineSnapshotInfo");
    value_add_ref(info, "currentSnapshot", "VirtualMachineSnapshot",
                  machine->snapshots.ptr[machine->snapshots.len - 1].id);
    at = info;
    for (size_t i = 0; i < machine->snapshots.len; i++) {
        const struct fake_snapshot *snapshot = &machine->snapshots.ptr[i];

        at = value_add(at, i == 0 ? "rootSnapshotList" : "childSnapshotList",
                       "VirtualMachineSnapshotTree");
        value_add_ref(at, "snapshot", "VirtualMachineSnapshot", snapshot->id);
        value_add_ref(at, "vm", "VirtualMachine", machine->id);
        value_add_string(at, "name", snapshot->name);
        value_add_string(at, "description", snapshot->description);
        value_add_int(at, "id", (int64_t)i + 1);
        value_add_text(at, "createTime", "xsd:dateTime", snapshot->created);
        value_add_text(at, "state", "VirtualMachinePowerState",
                       snapshot->powered_on ? "poweredOn" : "poweredOff");
        value_add_bool(at, "quiesced", snapshot->quiesced);
        value_add_bool(at, "replaySupported", false);
    }
}

struct value *fake_machine_value(struct fake_vcenter *fake, struct fake_machine *machine)
{
    struct value *root = value_new("vm", NULL), *at;
    CLEANUP(str) char *host = xasprintf("host-%d", machine->host);

    value_add_string(root, "name", machine->name);
    value_add_ref(root, "parent", "Folder", "group-v1");
    value_add_text(root, "overallStatus", "ManagedEntityStatus", "green");
    value_add_ref(root, "resourcePool", "ResourcePool", "resgroup-1");
    add_config(machine, NULL, root);
    add_guest(fake, machine, root);
    add_summary(machine, host, root);
    at = value_add(root, "runtime", "VirtualMachineRuntimeInfo");
    value_add_ref(at, "host", "HostSystem", host);
    value_add_text(at, "connectionState", "VirtualMachineConnectionState",
                   machine->disconnected ? "disconnected" : "connected");
    value_add_text(at, "powerState", "VirtualMachinePowerState",
                   machine->on ? "poweredOn" : "poweredOff");
    value_add_bool(at, "consolidationNeeded", false);
    add_snapshots(machine, root);
    at = value_add_array(root, "network", "ManagedObjectReference");
    value_add_ref(at, "network", "Network", "network-1");
    at = value_add_array(root, "datastore", "ManagedObjectReference");
    value_add_ref(at, "datastore", "Datastore",
                  machine->disks.len > 0 ? datastore_id(&machine->disks.ptr[0]) : "datastore-1");
    at = value_add_array(root, "recentTask", "ManagedObjectReference");
    for (size_t i = 0; i < fake->tasks.len; i++)
        if (str_eq(fake->tasks.ptr[i]->entity, machine->id))
            value_add_ref(at, "recentTask", "Task", fake->tasks.ptr[i]->id);
    return root;
}

struct value *fake_snapshot_value(struct fake_vcenter *fake, struct fake_machine *machine,
                                  struct fake_snapshot *snapshot)
{
    struct value *root = value_new("snapshot", NULL);

    add_config(machine, snapshot, root);
    value_add_ref(root, "vm", "VirtualMachine", machine->id);
    return root;
}
