#include "source/vsphere/tree.h"

#include "base/array.h"
#include "base/mem.h"
#include "data/obj.h"

#include <ctype.h>
#include <string.h>

/* The hardware of a machine.  vim's class names say what a device is. */

static const struct {
    const char *vim, *bus;
} controllers[] = {
    {"VirtualIDEController", "ide"},          {"VirtualSCSIController", "scsi"},
    {"VirtualBusLogicController", "scsi"},    {"VirtualLsiLogicController", "scsi"},
    {"VirtualLsiLogicSASController", "scsi"}, {"ParaVirtualSCSIController", "scsi"},
    {"VirtualAHCIController", "sata"},        {"VirtualSATAController", "sata"},
    {"VirtualNVMEController", "nvme"},        {"VirtualUSBController", "usb"},
    {"VirtualUSBXHCIController", "usb"},
};

static const char *const nics[] = {"VirtualE1000",       "VirtualE1000e",  "VirtualPCNet32",
                                   "VirtualVmxnet",      "VirtualVmxnet2", "VirtualVmxnet3",
                                   "VirtualVmxnet3Vrdma"};

static const char *const kept[] = {"VirtualSriovEthernetCard", "VirtualPCIPassthrough",
                                   "VirtualSCSIPassthrough",   "VirtualUSBController",
                                   "VirtualUSBXHCIController", "VirtualTPM"};

static bool is_among(const char *const *names, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (str_eq(names[i], name))
            return true;
    return false;
}

/* The bus of the controller with KEY among DEVICES, or "". */
static const char *find_bus(struct dom_node *devices, int64_t key)
{
    for (struct dom_node *at = dom_first(devices, NULL); at != NULL; at = dom_next(at, NULL)) {
        if (vsphere_int(at, "key", -1) != key)
            continue;
        CLEANUP(str) char *type = vsphere_type_of(at);
        for (size_t i = 0; i < ARRAY_SIZE(controllers); i++)
            if (str_eq(controllers[i].vim, type))
                return controllers[i].bus;
    }
    return "";
}

static void put_optional(json_t *o, const char *key, struct dom_node *node, const char *path)
{
    CLEANUP(str) char *text = vsphere_text(node, path);

    if (*text != '\0')
        obj_put_str(o, key, text);
}

/* What the disk's bytes are: a file, or a device of the storage behind one. */
static void put_backing(json_t *disk, struct dom_node *backing)
{
    CLEANUP(str) char *type = vsphere_type_of(backing);
    CLEANUP(str) char *file = vsphere_text(backing, "fileName");
    CLEANUP(str) char *parent = vsphere_text(backing, "parent/fileName");
    CLEANUP(str) char *mode = vsphere_text(backing, "compatibilityMode");
    bool is_raw = strstr(type, "RawDisk") != NULL;

    obj_put_str(disk, "file", file);
    obj_take(disk, "datastore", vsphere_ref(dom_first(backing, "datastore")));
    obj_put_bool(disk, "rdm", is_raw);
    if (is_raw)
        obj_put_bool(disk, "physicalMode",
                     str_eq(mode, "physicalMode") || strstr(type, "RawDiskVer2") != NULL);
    put_optional(disk, "mode", backing, "diskMode");
    put_optional(disk, "serial", backing, "uuid");
    put_optional(disk, "deviceName", backing, "deviceName");
    put_optional(disk, "vvolId", backing, "backingObjectId");
    put_optional(disk, "lunUuid", backing, "lunUuid");
    obj_put_str(disk, "parent", parent);
}

static void add_disk(json_t *disks, struct dom_node *devices, struct dom_node *device)
{
    struct dom_node *backing = dom_first(device, "backing");
    int64_t controller = vsphere_int(device, "controllerKey", 0);
    json_t *disk = json_object();

    if (backing == NULL) {
        json_decref(disk);
        return;
    }
    obj_put_int(disk, "key", vsphere_int(device, "key", 0));
    obj_put_int(disk, "unitNumber", vsphere_int(device, "unitNumber", 0));
    obj_put_int(disk, "controllerKey", controller);
    obj_put_int(
        disk, "capacity",
        vsphere_int(device, "capacityInBytes", vsphere_int(device, "capacityInKB", 0) * 1024));
    obj_put_bool(disk, "shared", false); /* known when all machines are */
    obj_put_str(disk, "bus", find_bus(devices, controller));
    obj_put_bool(disk, "changeTrackingEnabled", false);
    put_backing(disk, backing);
    json_array_append_new(disks, disk);
}

static void add_nic(json_t *list, struct dom_node *device)
{
    struct dom_node *backing = dom_first(device, "backing");
    CLEANUP(str) char *mac = vsphere_text(device, "macAddress");

    if (backing == NULL)
        return;
    CLEANUP(str) char *network = vsphere_text(backing, "network");
    CLEANUP(str) char *port_group = vsphere_text(backing, "port/portgroupKey");
    CLEANUP(str) char *opaque = vsphere_text(backing, "opaqueNetworkId");
    const char *id = *network ? network : *port_group ? port_group : opaque;
    for (char *p = mac; *p != '\0'; p++)
        *p = (char)tolower((unsigned char)*p);
    json_array_append_new(
        list, obj_pack("{s:{s:s, s:s}, s:s, s:i, s:I, s:s, s:b}", "network", "kind", "Network",
                       "id", id, "mac", mac, "order", (int)json_array_size(list), "deviceKey",
                       (json_int_t)vsphere_int(device, "key", 0), "pciAddress", "",
                       "startConnected", dom_find(device, "connectable/startConnected") == NULL ||
                           vsphere_bool(device, "connectable/startConnected")));
}

void vsphere_set_devices(struct vsphere_object *object, struct dom_node *value, const char *key)
{
    json_t *disks = json_array(), *devices = json_array(), *list = json_array();

    for (struct dom_node *at = dom_first(value, NULL); at != NULL; at = dom_next(at, NULL)) {
        CLEANUP(str) char *type = vsphere_type_of(at);
        bool is_nic = is_among(nics, ARRAY_SIZE(nics), type);

        if (str_eq(type, "VirtualDisk"))
            add_disk(disks, value, at);
        if (is_nic)
            add_nic(list, at);
        if (is_among(kept, ARRAY_SIZE(kept), type) || (is_nic && dom_first(at, "backing") != NULL))
            json_array_append_new(
                devices, obj_pack("{s:s, s:I, s:I}", "kind", type, "key",
                                  (json_int_t)vsphere_int(at, "key", 0), "pciSlotNumber",
                                  (json_int_t)vsphere_int(at, "slotInfo/pciSlotNumber", 0)));
    }
    obj_take(object->json, "disks", disks);
    obj_take(object->json, "nics", list);
    obj_take(object->json, "devices", devices);
    vsphere_finish_disks(object);
}
