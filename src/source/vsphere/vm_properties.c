#include "source/vsphere/tree.h"

#include "base/array.h"
#include "base/mem.h"
#include "data/obj.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* clang-format off */
json_t *vsphere_make_vm(void)
{
    static const char *const texts[] = {
        "powerState", "host", "uuid", "instanceUuid", "firmware", "connectionState", "guestName",
        "guestNameFromVmwareTools", "hostName", "guestId", "ipAddress", "toolsStatus",
        "toolsRunningStatus", "toolsVersionStatus2"};
    static const char *const lists[] = {
        "networks", "disks", "cpuAffinity", "numaNodeAffinity", "devices", "nics", "guestNetworks",
        "guestDisks", "guestIpStacks", "customDef", "customValues", "tags"};
    static const char *const flags[] = {
        "isTemplate", "changeTrackingEnabled", "consolidationNeeded", "cpuHotAddEnabled",
        "cpuHotRemoveEnabled", "memoryHotAddEnabled", "faultToleranceEnabled", "tpmEnabled",
        "secureBoot", "diskEnableUuid", "nestedHVEnabled"};
    static const char *const numbers[] = {
        "cpuCount", "coresPerSocket", "memoryMB", "balloonedMemory", "storageUsed"};
    json_t *vm = json_object();

    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        obj_put_str(vm, texts[i], "");
    for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
        obj_take(vm, lists[i], json_array());
    for (size_t i = 0; i < ARRAY_SIZE(flags); i++)
        obj_put_bool(vm, flags[i], false);
    for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
        obj_put_int(vm, numbers[i], 0);
    obj_take(vm, "snapshot", vsphere_ref(NULL));
    return vm;
}
/* clang-format on */

/* NAME is "scsi0:1.ctkEnabled"; the keys of a bus's controllers count from a hundred or thousand.
 */
static bool is_about(const char *name, const json_t *disk)
{
    char bus[8];
    int controller = 0, unit = 0, end = 0;

    return sscanf(name, "%7[a-z]%d:%d.ctkEnabled%n", bus, &controller, &unit, &end) == 3 &&
           end > 0 && name[end] == '\0' && str_eq(obj_str(disk, "bus", ""), bus) &&
           obj_int(disk, "unitNumber", -1) == unit &&
           obj_int(disk, "controllerKey", -1) % 100 == controller;
}

void vsphere_finish_disks(struct vsphere_object *object)
{
    const char *name = NULL;
    json_t *enabled = NULL, *disk = NULL;
    size_t i = 0;

    json_array_foreach(obj_arr(object->json, "disks"), i, disk)
        json_object_foreach(object->tracked, name, enabled)
            if (is_about(name, disk) &&
                json_object_get(disk, "changeTrackingEnabled") != enabled)
                json_object_set(vsphere_change_disk(object, i), "changeTrackingEnabled", enabled);
}

json_t *vsphere_change_disk(struct vsphere_object *object, size_t index)
{
    json_t *disks = json_copy(obj_arr(object->json, "disks"));
    json_t *disk = json_copy(json_array_get(disks, index));

    json_array_set_new(disks, index, disk);
    json_object_set_new(object->json, "disks", disks);
    return disk;
}

void vsphere_set_extra_config(struct vsphere_object *object, struct dom_node *value,
                              const char *key)
{
    json_t *vm = object->json, *tracked = json_object();

    for (struct dom_node *at = dom_first(value, NULL); at != NULL; at = dom_next(at, NULL)) {
        CLEANUP(str) char *name = vsphere_text(at, "key");
        CLEANUP(str) char *text = vsphere_text(at, "value");
        bool yes = strcasecmp(text, "true") == 0;

        if (str_eq(name, "numa.nodeAffinity")) {
            json_t *nodes = json_array();
            struct span rest = span_of(text), part = {0};

            while (span_split(&rest, ',', &part))
                json_array_append_new(nodes, json_stringn(part.ptr, part.len));
            obj_take(vm, "numaNodeAffinity", nodes);
        } else if (str_eq(name, "ctkEnabled")) {
            obj_put_bool(vm, "changeTrackingEnabled", yes);
        } else if (str_eq(name, "disk.EnableUUID")) {
            obj_put_bool(vm, "diskEnableUuid", yes);
        } else if (str_ends_with(name, ".ctkEnabled")) {
            json_object_set_new(tracked, name, json_boolean(yes));
        }
    }
    json_decref(object->tracked);
    object->tracked = tracked;
    vsphere_finish_disks(object);
}

static json_t *texts_of(struct dom_node *node, const char *name)
{
    json_t *list = json_array();

    for (struct dom_node *at = node ? dom_first(node, name) : NULL; at != NULL;
         at = dom_next(at, name)) {
        CLEANUP(str) char *text = vsphere_text(at, "");
        json_array_append_new(list, json_string(text));
    }
    return list;
}

/* One entry for each address of each NIC. */
void vsphere_set_guest_net(struct vsphere_object *object, struct dom_node *value, const char *key)
{
    json_t *list = json_array();
    int index = 0;

    if (dom_first(value, NULL) == NULL) { /* the machine is off: keep what was known */
        json_decref(list);
        return;
    }
    for (struct dom_node *net = dom_first(value, NULL); net != NULL; net = dom_next(net, NULL)) {
        CLEANUP(str) char *device = xasprintf("%d", index++);
        CLEANUP(str) char *mac = vsphere_text(net, "macAddress");
        CLEANUP(str) char *network = vsphere_text(net, "network");
        struct dom_node *config = dom_first(net, "ipConfig");

        for (struct dom_node *ip = config ? dom_first(config, "ipAddress") : NULL; ip != NULL;
             ip = dom_next(ip, "ipAddress")) {
            CLEANUP(str) char *address = vsphere_text(ip, "ipAddress");
            CLEANUP(str) char *origin = vsphere_text(ip, "origin");
            struct dom_node *dns = dom_first(net, "dnsConfig");

            json_array_append_new(
                list, obj_pack("{s:s, s:I, s:s, s:s, s:s, s:I, s:o, s:s}", "device", device,
                               "deviceConfigId", (json_int_t)vsphere_int(net, "deviceConfigId", 0),
                               "mac", mac, "ip", address, "origin", origin, "prefix",
                               (json_int_t)vsphere_int(ip, "prefixLength", 0), "dns",
                               texts_of(dns, "ipAddress"), "network", network));
        }
    }
    obj_take(object->json, key, list);
}

void vsphere_set_guest_disk(struct vsphere_object *object, struct dom_node *value, const char *key)
{
    json_t *list = json_array();

    for (struct dom_node *at = dom_first(value, NULL); at != NULL; at = dom_next(at, NULL)) {
        CLEANUP(str) char *path = vsphere_text(at, "diskPath");
        CLEANUP(str) char *type = vsphere_text(at, "filesystemType");
        json_t *disk = obj_pack("{s:I}", "key", (json_int_t)vsphere_int(at, "mappings/key", 0));

        if (*path != '\0')
            obj_put_str(disk, "diskPath", path);
        if (vsphere_int(at, "capacity", 0) != 0)
            obj_put_int(disk, "capacity", vsphere_int(at, "capacity", 0));
        if (vsphere_int(at, "freeSpace", 0) != 0)
            obj_put_int(disk, "freeSpace", vsphere_int(at, "freeSpace", 0));
        if (*type != '\0')
            obj_put_str(disk, "filesystemType", type);
        json_array_append_new(list, disk);
    }
    obj_take(object->json, key, list);
}

/* Only routes with a gateway. */
void vsphere_set_ip_stack(struct vsphere_object *object, struct dom_node *value, const char *key)
{
    json_t *list = json_array();

    for (struct dom_node *stack = dom_first(value, NULL); stack != NULL;
         stack = dom_next(stack, NULL)) {
        struct dom_node *config = dom_first(stack, "ipRouteConfig");
        struct dom_node *dns = dom_first(stack, "dnsConfig");

        for (struct dom_node *route = config ? dom_first(config, "ipRoute") : NULL; route != NULL;
             route = dom_next(route, "ipRoute")) {
            CLEANUP(str) char *gateway = vsphere_text(route, "gateway/ipAddress");
            CLEANUP(str) char *device = vsphere_text(route, "gateway/device");
            CLEANUP(str) char *network = vsphere_text(route, "network");

            if (*gateway == '\0')
                continue;
            json_array_append_new(list, obj_pack("{s:s, s:s, s:s, s:I, s:o}", "device", device,
                                                 "gateway", gateway, "network", network, "prefix",
                                                 (json_int_t)vsphere_int(route, "prefixLength", 0),
                                                 "dns", texts_of(dns, "ipAddress")));
        }
    }
    if (json_array_size(list) > 0)
        obj_take(object->json, key, list);
    else
        json_decref(list); /* off: keep what was known */
}

void vsphere_set_snapshot(struct vsphere_object *object, struct dom_node *value, const char *key)
{
    obj_take(object->json, key, vsphere_ref(dom_first(value, "currentSnapshot")));
}

void vsphere_set_boot_options(struct vsphere_object *object, struct dom_node *value,
                              const char *key)
{
    obj_put_bool(object->json, key, vsphere_bool(value, "efiSecureBootEnabled"));
}

void vsphere_set_cpu_affinity(struct vsphere_object *object, struct dom_node *value,
                              const char *key)
{
    json_t *list = json_array();

    for (struct dom_node *at = dom_first(value, "affinitySet"); at != NULL;
         at = dom_next(at, "affinitySet"))
        json_array_append_new(list, json_integer(vsphere_int(at, "", 0)));
    obj_take(object->json, key, list);
}

void vsphere_set_custom_fields(struct vsphere_object *object, struct dom_node *value,
                               const char *key)
{
    json_t *list = json_array();

    for (struct dom_node *at = dom_first(value, NULL); at != NULL; at = dom_next(at, NULL)) {
        CLEANUP(str) char *name = vsphere_text(at, "name");
        CLEANUP(str) char *type = vsphere_text(at, "managedObjectType");
        json_t *field =
            obj_pack("{s:s, s:I}", "name", name, "key", (json_int_t)vsphere_int(at, "key", 0));

        if (*type != '\0')
            obj_put_str(field, "managedObjectType", type);
        json_array_append_new(list, field);
    }
    obj_take(object->json, key, list);
}

void vsphere_set_custom_values(struct vsphere_object *object, struct dom_node *value,
                               const char *key)
{
    json_t *list = json_array();

    for (struct dom_node *at = dom_first(value, NULL); at != NULL; at = dom_next(at, NULL)) {
        CLEANUP(str) char *text = vsphere_text(at, "value");

        json_array_append_new(list, obj_pack("{s:I, s:s}", "key",
                                             (json_int_t)vsphere_int(at, "key", 0), "value", text));
    }
    obj_take(object->json, key, list);
}
