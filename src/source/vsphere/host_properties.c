#include "source/vsphere/tree.h"

#include "base/array.h"
#include "base/mem.h"
#include "data/obj.h"

#include <stdlib.h>
#include <string.h>

/* clang-format off */
json_t *vsphere_make_host(void)
{
    static const char *const texts[] = {
        "cluster", "status", "managementServerIp", "thumbprint", "timezone", "productName",
        "productVersion"};
    static const char *const lists[] = {
        "networking.pNICs", "networking.vNICs", "networking.portGroups", "networking.switches",
        "networks", "datastores", "networkAdapters", "hostScsiDisks", "advancedOptions"};
    json_t *host = json_object();

    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        obj_put_str(host, texts[i], "");
    for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
        obj_take(host, lists[i], json_array());
    obj_put_bool(host, "inMaintenance", false);
    obj_put_int(host, "cpuSockets", 0);
    obj_put_int(host, "cpuCores", 0);
    obj_put_int(host, "memoryBytes", 0);
    obj_take(host, "vms", json_null());
    obj_put_bool(host, "vmotionSupported", false);
    obj_put_bool(host, "storageVmotionSupported", false);
    return host;
}
/* clang-format on */

static json_t *texts_of(struct dom_node *node, const char *name)
{
    json_t *list = json_array();

    for (struct dom_node *at = dom_first(node, name); at != NULL; at = dom_next(at, name)) {
        CLEANUP(str) char *text = vsphere_text(at, "");
        json_array_append_new(list, json_string(text));
    }
    return list;
}

void vsphere_set_switches(struct vsphere_object *object, struct dom_node *value, const char *key)
{
    json_t *list = json_array();

    for (struct dom_node *at = dom_first(value, NULL); at != NULL; at = dom_next(at, NULL)) {
        CLEANUP(str) char *id = vsphere_text(at, "key");
        CLEANUP(str) char *name = vsphere_text(at, "name");

        json_array_append_new(list, obj_pack("{s:s, s:s, s:o, s:o}", "key", id, "name", name,
                                             "portGroups", texts_of(at, "portgroup"), "pNICs",
                                             texts_of(at, "pnic")));
    }
    obj_take(object->json, key, list);
}

void vsphere_set_port_groups(struct vsphere_object *object, struct dom_node *value, const char *key)
{
    json_t *list = json_array();

    for (struct dom_node *at = dom_first(value, NULL); at != NULL; at = dom_next(at, NULL)) {
        CLEANUP(str) char *id = vsphere_text(at, "key");
        CLEANUP(str) char *name = vsphere_text(at, "spec/name");
        CLEANUP(str) char *vswitch = vsphere_text(at, "vswitch");

        json_array_append_new(list, obj_pack("{s:s, s:s, s:s, s:I}", "key", id, "name", name,
                                             "vSwitch", vswitch, "vlanId",
                                             (json_int_t)vsphere_int(at, "spec/vlanId", 0)));
    }
    obj_take(object->json, key, list);
}

void vsphere_set_pnics(struct vsphere_object *object, struct dom_node *value, const char *key)
{
    json_t *list = json_array();

    for (struct dom_node *at = dom_first(value, NULL); at != NULL; at = dom_next(at, NULL)) {
        CLEANUP(str) char *id = vsphere_text(at, "key");

        json_array_append_new(list, obj_pack("{s:s, s:I}", "key", id, "linkSpeed",
                                             (json_int_t)vsphere_int(at, "linkSpeed/speedMb", 0)));
    }
    obj_take(object->json, key, list);
}

void vsphere_set_vnics(struct vsphere_object *object, struct dom_node *value, const char *key)
{
    json_t *list = json_array();

    for (struct dom_node *at = dom_first(value, NULL); at != NULL; at = dom_next(at, NULL)) {
        CLEANUP(str) char *id = vsphere_text(at, "key");
        CLEANUP(str) char *device = vsphere_text(at, "device");
        CLEANUP(str) char *group = vsphere_text(at, "portgroup");
        CLEANUP(str) char *dv_group = vsphere_text(at, "spec/distributedVirtualPort/portgroupKey");
        CLEANUP(str) char *ip = vsphere_text(at, "spec/ip/ipAddress");
        CLEANUP(str) char *mask = vsphere_text(at, "spec/ip/subnetMask");
        json_t *v6 = json_array();

        for (struct dom_node *one = dom_find(at, "spec/ip/ipV6Config/ipV6Address"); one != NULL;
             one = dom_next(one, "ipV6Address")) {
            CLEANUP(str) char *address = vsphere_text(one, "ipAddress");
            json_array_append_new(v6, json_string(address));
        }
        json_array_append_new(list,
                              obj_pack("{s:s, s:s, s:s, s:s, s:s, s:o, s:s, s:I}", "key", id,
                                       "device", device, "portGroup", group, "dPortGroup", dv_group,
                                       "ipAddress", ip, "ipV6Address", v6, "subnetMask", mask,
                                       "mtu", (json_int_t)vsphere_int(at, "spec/mtu", 0)));
    }
    obj_take(object->json, key, list);
}

static const json_t *find_by(const json_t *list, const char *key, const char *value)
{
    const json_t *item = NULL;
    size_t i = 0;

    json_array_foreach(list, i, item) if (str_eq(obj_str(item, key, ""), value)) return item;
    return NULL;
}

/* The fastest physical NIC behind the switch of the port group called NAME. */
static int64_t find_speed(const json_t *networking, const char *name)
{
    const json_t *group = find_by(obj_arr(networking, "portGroups"), "name", name);
    const json_t *vswitch =
        group ? find_by(obj_arr(networking, "switches"), "key", obj_str(group, "vSwitch", ""))
              : NULL;
    const json_t *nic_key = NULL;
    int64_t best = 0;
    size_t i = 0;

    json_array_foreach(obj_arr(vswitch, "pNICs"), i, nic_key)
    {
        const json_t *nic =
            find_by(obj_arr(networking, "pNICs"), "key", json_string_value(nic_key));
        int64_t speed = obj_int(nic, "linkSpeed", 0);

        best = speed > best ? speed : best;
    }
    return best;
}

static int compare_adapters(const void *a, const void *b)
{
    const json_t *const *x = a, *const *y = b;
    int64_t speed = obj_int(*y, "linkSpeed", 0) - obj_int(*x, "linkSpeed", 0);
    int64_t mtu = obj_int(*y, "mtu", 0) - obj_int(*x, "mtu", 0);

    return speed != 0 ? (speed > 0) - (speed < 0) : (mtu > 0) - (mtu < 0);
}

void vsphere_finish_host(json_t *host)
{
    enum { MAX_ADAPTERS = 256 };
    const json_t *networking = obj_obj(host, "networking");
    json_t *adapters[MAX_ADAPTERS];
    json_t *list = json_array();
    const json_t *nic = NULL;
    size_t i = 0, count = 0;

    json_array_foreach(obj_arr(networking, "vNICs"), i, nic)
    {
        const char *name = obj_str(nic, "portGroup", "");

        if (count < MAX_ADAPTERS)
            adapters[count++] = obj_pack("{s:s, s:s, s:s, s:I, s:I}", "name", name, "ipAddress",
                                         obj_str(nic, "ipAddress", ""), "subnetMask",
                                         obj_str(nic, "subnetMask", ""), "linkSpeed",
                                         (json_int_t)find_speed(networking, name), "mtu",
                                         (json_int_t)obj_int(nic, "mtu", 0));
    }
    qsort(adapters, count, sizeof(json_t *), compare_adapters);
    for (i = 0; i < count; i++)
        json_array_append_new(list, adapters[i]);
    obj_take(host, "networkAdapters", list);
}
