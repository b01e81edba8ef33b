#include "source/vsphere/tree.h"

#include "base/array.h"
#include "base/mem.h"
#include "data/obj.h"

#include <string.h>

/* Generic setters. */

static void set_text(struct vsphere_object *object, struct dom_node *value, const char *key)
{
    CLEANUP(str) char *text = vsphere_text(value, "");

    obj_put_str(object->json, key, text);
}

/* As set_text, but an empty value (the machine is off) keeps what was known. */
static void set_text_kept(struct vsphere_object *object, struct dom_node *value, const char *key)
{
    CLEANUP(str) char *text = vsphere_text(value, "");

    if (*text != '\0')
        obj_put_str(object->json, key, text);
}

static void set_int(struct vsphere_object *object, struct dom_node *value, const char *key)
{
    obj_put_int(object->json, key, vsphere_int(value, "", 0));
}

static void set_bool(struct vsphere_object *object, struct dom_node *value, const char *key)
{
    obj_put_bool(object->json, key, vsphere_bool(value, ""));
}

static void set_true(struct vsphere_object *object, struct dom_node *value, const char *key)
{
    obj_put_bool(object->json, key, dom_first(value, NULL) != NULL);
}

static void set_ref(struct vsphere_object *object, struct dom_node *value, const char *key)
{
    obj_take(object->json, key, vsphere_ref(value));
}

static void set_refs(struct vsphere_object *object, struct dom_node *value, const char *key)
{
    json_t *list = json_array();

    for (struct dom_node *ref = dom_first(value, NULL); ref != NULL; ref = dom_next(ref, NULL))
        json_array_append_new(list, vsphere_ref(ref));
    obj_take(object->json, key, list);
}

/* References inside the elements of a list: dasVmConfig[].key. */
static void set_keys(struct vsphere_object *object, struct dom_node *value, const char *key)
{
    json_t *list = json_array();

    for (struct dom_node *at = dom_first(value, NULL); at != NULL; at = dom_next(at, NULL))
        json_array_append_new(list, vsphere_ref(dom_first(at, "key")));
    obj_take(object->json, key, list);
}

/* Networks, datastores. */

static void set_port_config(struct vsphere_object *object, struct dom_node *value, const char *key)
{
    struct dom_node *vlan = dom_first(value, "vlan");
    struct dom_node *id = vlan ? dom_first(vlan, "vlanId") : NULL;
    struct buf text = BUF_INIT(4096);

    for (; id != NULL; id = dom_next(id, "vlanId")) { /* one number, or ranges of a trunk */
        CLEANUP(str) char *start = vsphere_text(id, "start");
        CLEANUP(str) char *end = vsphere_text(id, "end");
        CLEANUP(str) char *one = vsphere_text(id, "");

        if (*start != '\0')
            buf_printf(&text, "%s%s-%s", text.len > 0 ? "," : "", start, end);
        else
            buf_add(&text, one);
    }
    CLEANUP(str) char *all = buf_take(&text);
    obj_put_str(object->json, key, all);
}

static void set_switch_hosts(struct vsphere_object *object, struct dom_node *value, const char *key)
{
    json_t *list = json_array();

    for (struct dom_node *at = dom_first(value, NULL); at != NULL; at = dom_next(at, NULL)) {
        struct dom_node *config = dom_first(at, "config");
        struct dom_node *backing = config ? dom_first(config, "backing") : NULL;
        struct dom_node *spec = backing ? dom_first(backing, "pnicSpec") : NULL;
        json_t *nics = json_array();

        for (; spec != NULL; spec = dom_next(spec, "pnicSpec")) {
            CLEANUP(str) char *device = vsphere_text(spec, "pnicDevice");
            json_array_append_new(nics, json_string(device));
        }
        json_array_append_new(list, obj_pack("{s:o, s:o}", "Host",
                                             vsphere_ref(config ? dom_first(config, "host") : NULL),
                                             "PNIC", nics));
    }
    obj_take(object->json, key, list);
}

static void set_opaque_summary(struct vsphere_object *object, struct dom_node *value,
                               const char *key)
{
    CLEANUP(str) char *id = vsphere_text(value, "opaqueNetworkId");

    obj_put_str(object->json, key, id);
}

static void set_datastore_info(struct vsphere_object *object, struct dom_node *value,
                               const char *key)
{
    struct dom_node *vmfs = dom_first(value, "vmfs"), *nas = dom_first(value, "nas");
    json_t *devices = json_array();

    for (struct dom_node *at = vmfs ? dom_first(vmfs, "extent") : NULL; at != NULL;
         at = dom_next(at, "extent")) {
        CLEANUP(str) char *name = vsphere_text(at, "diskName");
        json_array_append_new(devices, json_string(name));
    }
    obj_take(object->json, key, devices);
    if (nas != NULL) {
        CLEANUP(str) char *host = vsphere_text(nas, "remoteHost");
        CLEANUP(str) char *path = vsphere_text(nas, "remotePath");

        obj_put_str(object->json, "nasRemoteHost", host);
        obj_put_str(object->json, "nasRemotePath", path);
    }
}

static void set_iorm(struct vsphere_object *object, struct dom_node *value, const char *key)
{
    CLEANUP(str) char *mode = vsphere_text(value, "congestionThresholdMode");
    int64_t threshold = vsphere_int(value, "congestionThreshold", 0);
    int64_t percent = vsphere_int(value, "percentOfPeakThroughput", 0);

    obj_put_bool(object->json, "iormEnabled", vsphere_bool(value, "enabled"));
    obj_put_int(object->json, "iormCongestionThreshold",
                threshold < 5     ? 30
                : threshold > 100 ? 100
                                  : threshold);
    obj_put_str(object->json, "iormCongestionThresholdMode", mode);
    obj_put_int(object->json, "iormPercentOfPeakThroughput",
                percent < 50    ? 90
                : percent > 100 ? 100
                                : percent);
}

/* New objects. */

static json_t *make_folder(void)
{
    return obj_pack("{s:s, s:s, s:[]}", "folder", "", "datacenter", "", "children");
}

static json_t *make_datacenter(void)
{
    return json_object();
}

static json_t *make_cluster(void)
{
    return obj_pack("{s:s, s:[], s:[], s:[], s:b, s:[], s:b, s:s, s:[]}", "folder", "", "networks",
                    "datastores", "hosts", "dasEnabled", 0, "dasVms", "drsEnabled", 0,
                    "drsBehavior", "", "drsVms");
}

static json_t *make_network(void)
{
    return obj_pack("{s:s, s:[]}", "vlanId", "", "host");
}

static json_t *make_datastore(void)
{
    return obj_pack("{s:s, s:i, s:i, s:s, s:[], s:b, s:b}", "type", "", "capacity", 0, "free", 0,
                    "maintenance", "", "backingDevicesNames", "storageIORMSupported", 0,
                    "iormEnabled", 0);
}

/* clang-format off */
static const struct vsphere_type types[] = {
    {"Folder", "Folder", NULL, make_folder},
    {"StoragePod", "Folder", NULL, make_folder},
    {"Datacenter", "Datacenter", NULL, make_datacenter},
    {"ComputeResource", "Cluster", "ComputeResource", make_cluster},
    {"ClusterComputeResource", "Cluster", NULL, make_cluster},
    {"HostSystem", "Host", NULL, vsphere_make_host},
    {"Network", "Network", "Standard", make_network},
    {"OpaqueNetwork", "Network", "OpaqueNetwork", make_network},
    {"DistributedVirtualPortgroup", "Network", "DvPortGroup", make_network},
    {"DistributedVirtualSwitch", "Network", "DvSwitch", make_network},
    {"VmwareDistributedVirtualSwitch", "Network", "DvSwitch", make_network},
    {"Datastore", "Datastore", NULL, make_datastore},
    {"VirtualMachine", "VM", NULL, vsphere_make_vm},
};

#define NONE NULL, NULL
static const struct vsphere_path paths[] = {
    {"Folder", "name", NONE}, {"Folder", "parent", NONE},
    {"Folder", "childEntity", set_refs, "children"},

    {"Datacenter", "name", NONE}, {"Datacenter", "parent", NONE},
    {"Datacenter", "vmFolder", set_ref, "vms"},
    {"Datacenter", "hostFolder", set_ref, "clusters"},
    {"Datacenter", "networkFolder", set_ref, "networks"},
    {"Datacenter", "datastoreFolder", set_ref, "datastores"},

    {"ComputeResource", "name", NONE}, {"ComputeResource", "parent", NONE},
    {"ComputeResource", "host", set_refs, "hosts"},
    {"ClusterComputeResource", "name", NONE}, {"ClusterComputeResource", "parent", NONE},
    {"ClusterComputeResource", "configuration.dasConfig.enabled", set_bool, "dasEnabled"},
    {"ClusterComputeResource", "configuration.dasVmConfig", set_keys, "dasVms"},
    {"ClusterComputeResource", "configuration.drsConfig.enabled", set_bool, "drsEnabled"},
    {"ClusterComputeResource", "configuration.drsConfig.defaultVmBehavior", set_text, "drsBehavior"},
    {"ClusterComputeResource", "configuration.drsVmConfig", set_keys, "drsVms"},
    {"ClusterComputeResource", "host", set_refs, "hosts"},
    {"ClusterComputeResource", "network", set_refs, "networks"},
    {"ClusterComputeResource", "datastore", set_refs, "datastores"},

    {"HostSystem", "name", NONE}, {"HostSystem", "parent", NONE},
    {"HostSystem", "overallStatus", set_text, "status"},
    {"HostSystem", "config.product.name", set_text, "productName"},
    {"HostSystem", "config.product.version", set_text, "productVersion"},
    {"HostSystem", "summary.config.sslThumbprint", set_text, "thumbprint"},
    {"HostSystem", "config.dateTimeInfo.timeZone.name", set_text, "timezone"},
    {"HostSystem", "summary.managementServerIp", set_text, "managementServerIp"},
    {"HostSystem", "summary.runtime.inMaintenanceMode", set_bool, "inMaintenance"},
    {"HostSystem", "summary.hardware.numCpuPkgs", set_int, "cpuSockets"},
    {"HostSystem", "summary.hardware.numCpuCores", set_int, "cpuCores"},
    {"HostSystem", "summary.hardware.memorySize", set_int, "memoryBytes"},
    {"HostSystem", "datastore", set_refs, "datastores"},
    {"HostSystem", "network", set_refs, "networks"},
    {"HostSystem", "config.network.vswitch", vsphere_set_switches, "networking.switches"},
    {"HostSystem", "config.network.portgroup", vsphere_set_port_groups, "networking.portGroups"},
    {"HostSystem", "config.network.pnic", vsphere_set_pnics, "networking.pNICs"},
    {"HostSystem", "config.network.vnic", vsphere_set_vnics, "networking.vNICs"},
    {"HostSystem", "capability.vmotionSupported", set_bool, "vmotionSupported"},
    {"HostSystem", "capability.storageVMotionSupported", set_bool, "storageVmotionSupported"},

    {"Network", "name", NONE}, {"Network", "parent", NONE},
    {"OpaqueNetwork", "name", NONE}, {"OpaqueNetwork", "parent", NONE},
    {"OpaqueNetwork", "summary", set_opaque_summary, "key"},
    {"DistributedVirtualPortgroup", "name", NONE}, {"DistributedVirtualPortgroup", "parent", NONE},
    {"DistributedVirtualPortgroup", "config.distributedVirtualSwitch", set_ref, "dvSwitch"},
    {"DistributedVirtualPortgroup", "config.defaultPortConfig", set_port_config, "vlanId"},
    {"DistributedVirtualPortgroup", "key", set_text, "key"},
    {"DistributedVirtualSwitch", "name", NONE}, {"DistributedVirtualSwitch", "parent", NONE},
    {"VmwareDistributedVirtualSwitch", "name", NONE}, {"VmwareDistributedVirtualSwitch", "parent", NONE},
    {"VmwareDistributedVirtualSwitch", "config.host", set_switch_hosts, "host"},

    {"Datastore", "name", NONE}, {"Datastore", "parent", NONE},
    {"Datastore", "summary.type", set_text, "type"},
    {"Datastore", "summary.capacity", set_int, "capacity"},
    {"Datastore", "summary.freeSpace", set_int, "free"},
    {"Datastore", "summary.maintenanceMode", set_text, "maintenance"},
    {"Datastore", "info", set_datastore_info, "backingDevicesNames"},
    {"Datastore", "capability.storageIORMSupported", set_bool, "storageIORMSupported"},
    {"Datastore", "iormConfiguration", set_iorm, NULL},

    {"VirtualMachine", "name", NONE}, {"VirtualMachine", "parent", NONE},
    {"VirtualMachine", "config.template", set_bool, "isTemplate"},
    {"VirtualMachine", "config.uuid", set_text, "uuid"},
    {"VirtualMachine", "config.instanceUuid", set_text, "instanceUuid"},
    {"VirtualMachine", "config.firmware", set_text, "firmware"},
    {"VirtualMachine", "config.ftInfo", set_true, "faultToleranceEnabled"},
    {"VirtualMachine", "config.cpuAffinity", vsphere_set_cpu_affinity, "cpuAffinity"},
    {"VirtualMachine", "config.bootOptions", vsphere_set_boot_options, "secureBoot"},
    {"VirtualMachine", "config.cpuHotAddEnabled", set_bool, "cpuHotAddEnabled"},
    {"VirtualMachine", "config.cpuHotRemoveEnabled", set_bool, "cpuHotRemoveEnabled"},
    {"VirtualMachine", "config.memoryHotAddEnabled", set_bool, "memoryHotAddEnabled"},
    {"VirtualMachine", "config.hardware.numCPU", set_int, "cpuCount"},
    {"VirtualMachine", "config.hardware.numCoresPerSocket", set_int, "coresPerSocket"},
    {"VirtualMachine", "config.hardware.memoryMB", set_int, "memoryMB"},
    {"VirtualMachine", "config.hardware.device", vsphere_set_devices, NULL},
    {"VirtualMachine", "config.extraConfig", vsphere_set_extra_config, NULL},
    {"VirtualMachine", "config.changeTrackingEnabled", set_bool, "changeTrackingEnabled"},
    {"VirtualMachine", "config.nestedHVEnabled", set_bool, "nestedHVEnabled"},
    {"VirtualMachine", "guest.net", vsphere_set_guest_net, "guestNetworks"},
    {"VirtualMachine", "guest.disk", vsphere_set_guest_disk, "guestDisks"},
    {"VirtualMachine", "guest.ipStack", vsphere_set_ip_stack, "guestIpStacks"},
    {"VirtualMachine", "guest.hostName", set_text_kept, "hostName"},
    {"VirtualMachine", "guest.guestFullName", set_text_kept, "guestNameFromVmwareTools"},
    {"VirtualMachine", "guest.toolsStatus", set_text, "toolsStatus"},
    {"VirtualMachine", "guest.toolsRunningStatus", set_text, "toolsRunningStatus"},
    {"VirtualMachine", "guest.toolsVersionStatus2", set_text, "toolsVersionStatus2"},
    {"VirtualMachine", "summary.config.guestFullName", set_text, "guestName"},
    {"VirtualMachine", "summary.guest.guestId", set_text_kept, "guestId"},
    {"VirtualMachine", "summary.guest.ipAddress", set_text, "ipAddress"},
    {"VirtualMachine", "summary.quickStats.balloonedMemory", set_int, "balloonedMemory"},
    {"VirtualMachine", "summary.storage.committed", set_int, "storageUsed"},
    {"VirtualMachine", "summary.config.tpmPresent", set_bool, "tpmEnabled", true},
    {"VirtualMachine", "network", set_refs, "networks"},
    {"VirtualMachine", "runtime.host", set_text, "host"},
    {"VirtualMachine", "runtime.powerState", set_text, "powerState"},
    {"VirtualMachine", "runtime.connectionState", set_text, "connectionState"},
    {"VirtualMachine", "runtime.consolidationNeeded", set_bool, "consolidationNeeded"},
    {"VirtualMachine", "snapshot", vsphere_set_snapshot, "snapshot"},
    {"VirtualMachine", "availableField", vsphere_set_custom_fields, "customDef"},
    {"VirtualMachine", "customValue", vsphere_set_custom_values, "customValues"},
};
/* clang-format on */

const struct vsphere_type *vsphere_find_type(const char *vim)
{
    for (size_t i = 0; i < ARRAY_SIZE(types); i++)
        if (str_eq(types[i].vim, vim))
            return &types[i];
    return NULL;
}

const struct vsphere_path *vsphere_find_path(const char *vim, const char *path)
{
    if (str_eq(vim, "StoragePod"))
        vim = "Folder";
    for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
        if (paths[i].set != NULL && str_eq(paths[i].vim, vim) && str_eq(paths[i].path, path))
            return &paths[i];
    return NULL;
}

void vsphere_add_property_sets(struct buf *buf, bool has_6_7)
{
    const char *last = NULL;

    for (size_t i = 0; i < ARRAY_SIZE(paths); i++) { /* the table is grouped by type */
        if (paths[i].since_6_7 && !has_6_7)
            continue;
        if (!str_eq(last, paths[i].vim))
            buf_printf(buf, "%s<propSet><type>%s</type>", last ? "</propSet>" : "", paths[i].vim);
        last = paths[i].vim;
        buf_printf(buf, "<pathSet>%s</pathSet>", paths[i].path);
    }
    buf_add(buf, "</propSet>");
}
