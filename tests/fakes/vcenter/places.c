/* Everything in the inventory that is no machine: one datacenter, a cluster of two hosts, networks,
 * datastores. */
#include "fake.h"

#include "base/array.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

/* clang-format off */
static const struct place {
    const char *id, *type, *name, *parent_type, *parent;
} places[] = {
    {"group-d1", "Folder", "Datacenters", NULL, NULL},
    {"datacenter-1", "Datacenter", "DC", "Folder", "group-d1"},
    {"group-v1", "Folder", "vm", "Datacenter", "datacenter-1"},
    {"group-h1", "Folder", "host", "Datacenter", "datacenter-1"},
    {"group-n1", "Folder", "network", "Datacenter", "datacenter-1"},
    {"group-s1", "Folder", "datastore", "Datacenter", "datacenter-1"},
    {"domain-c1", "ClusterComputeResource", "cluster", "Folder", "group-h1"},
    {"resgroup-1", "ResourcePool", "Resources", "ClusterComputeResource", "domain-c1"},
    {"host-1", "HostSystem", "esx1", "ClusterComputeResource", "domain-c1"},
    {"host-2", "HostSystem", "esx2", "ClusterComputeResource", "domain-c1"},
    {"network-1", "Network", "VM Network", "Folder", "group-n1"},
    {"dvportgroup-1", "DistributedVirtualPortgroup", "LAN%2f1", "Folder", "group-n1"},
    {"datastore-1", "Datastore", "ds", "Folder", "group-s1"},
    {"datastore-2", "Datastore", "vsan", "Folder", "group-s1"},
};

static const struct { const char *type, *base; } bases[] = {
    {"ClusterComputeResource", "ComputeResource"},
    {"DistributedVirtualPortgroup", "Network"},
    {"OpaqueNetwork", "Network"},
    {"VmwareDistributedVirtualSwitch", "DistributedVirtualSwitch"},
    {"StoragePod", "Folder"},
    {"VirtualApp", "ResourcePool"},
};
/* clang-format on */

bool fake_is_a(const char *type, const char *base)
{
    if (str_eq(type, base))
        return true;
    if (str_eq(base, "ManagedEntity"))
        return !str_eq(type, "Task") && !str_eq(type, "ContainerView") &&
               !str_eq(type, "VirtualMachineSnapshot");
    for (size_t i = 0; i < ARRAY_SIZE(bases); i++)
        if (str_eq(bases[i].type, type) && str_eq(bases[i].base, base))
            return true;
    return false;
}

static const struct place *find_place(const char *id)
{
    for (size_t i = 0; i < ARRAY_SIZE(places); i++)
        if (str_eq(places[i].id, id))
            return &places[i];
    return NULL;
}

static void add_children(struct fake_vcenter *fake, const char *parent, const char *type,
                         const char *name, struct value *root)
{
    struct value *list = value_add_array(root, name, "ManagedObjectReference");

    for (size_t i = 0; i < ARRAY_SIZE(places); i++)
        if (str_eq(places[i].parent, parent) && fake_is_a(places[i].type, type))
            value_add_ref(list, name, places[i].type, places[i].id);
    for (size_t i = 0; str_eq(parent, "group-v1") && i < fake->machines.len; i++)
        if (!fake->machines.ptr[i].removed)
            value_add_ref(list, name, "VirtualMachine", fake->machines.ptr[i].id);
}

static void add_all(const char *type, const char *name, struct value *root)
{
    struct value *list = value_add_array(root, name, "ManagedObjectReference");

    for (size_t i = 0; i < ARRAY_SIZE(places); i++)
        if (fake_is_a(places[i].type, type))
            value_add_ref(list, name, places[i].type, places[i].id);
}

static void fill_datacenter(struct value *root)
{
    value_add_ref(root, "vmFolder", "Folder", "group-v1");
    value_add_ref(root, "hostFolder", "Folder", "group-h1");
    value_add_ref(root, "networkFolder", "Folder", "group-n1");
    value_add_ref(root, "datastoreFolder", "Folder", "group-s1");
}

static void fill_cluster(struct fake_vcenter *fake, struct value *root)
{
    struct value *config = value_add(root, "configuration", "ClusterConfigInfo");

    value_add_bool(value_add(config, "dasConfig", "ClusterDasConfigInfo"), "enabled", true);
    value_add_bool(value_add(config, "drsConfig", "ClusterDrsConfigInfo"), "enabled", true);
    value_add_ref(root, "resourcePool", "ResourcePool", "resgroup-1");
    add_children(fake, "domain-c1", "HostSystem", "host", root);
    add_all("Network", "network", root);
    add_all("Datastore", "datastore", root);
}

static void fill_host(struct fake_vcenter *fake, const char *id, struct value *root)
{
    struct value *config = value_add(root, "config", "HostConfigInfo"), *at;
    struct value *summary = value_add(root, "summary", "HostListSummary");
    bool maintenance = fake->maintenance && str_eq(id, "host-1");

    at = value_add(config, "product", "AboutInfo");
    value_add_string(at, "name", "VMware ESXi");
    value_add_string(at, "version", "7.0.3");
    at = value_add(config, "dateTimeInfo", "HostDateTimeInfo");
    value_add_string(value_add(at, "timeZone", "HostDateTimeSystemTimeZone"), "name", "UTC");
    value_add_string(value_add(summary, "config", "HostConfigSummary"), "name", "esx");
    value_add_string(summary, "managementServerIp", "127.0.0.1");
    at = value_add(summary, "runtime", "HostRuntimeInfo");
    value_add_bool(at, "inMaintenanceMode", maintenance);
    at = value_add(summary, "hardware", "HostHardwareSummary");
    value_add_text(at, "numCpuPkgs", "xsd:short", "2");
    value_add_text(at, "numCpuCores", "xsd:short", "32");
    value_add_long(at, "memorySize", 1LL << 38);
    add_all("Network", "network", root);
    add_all("Datastore", "datastore", root);
    at = value_add(root, "runtime", "HostRuntimeInfo");
    value_add_text(at, "connectionState", "HostSystemConnectionState", "connected");
    value_add_bool(at, "inMaintenanceMode", maintenance);
    at = value_add_array(root, "vm", "ManagedObjectReference");
    for (size_t i = 0; i < fake->machines.len; i++) {
        CLEANUP(str) char *host = xasprintf("host-%d", fake->machines.ptr[i].host);
        if (!fake->machines.ptr[i].removed && str_eq(host, id))
            value_add_ref(at, "vm", "VirtualMachine", fake->machines.ptr[i].id);
    }
}

static void fill_datastore(const char *name, struct value *root)
{
    struct value *summary = value_add(root, "summary", "DatastoreSummary");

    value_add_string(summary, "name", name);
    value_add_long(summary, "capacity", 1LL << 42);
    value_add_long(summary, "freeSpace", 1LL << 41);
    value_add_bool(summary, "accessible", true);
    value_add_string(summary, "type", str_eq(name, "vsan") ? "vsan" : "VMFS");
    value_add_string(summary, "maintenanceMode", "normal");
    CLEANUP(str) char *browser = xasprintf("browser-%s", name);
    value_add_ref(root, "browser", "HostDatastoreBrowser", browser);
    value_add_bool(value_add(root, "capability", "DatastoreCapability"), "storageIORMSupported",
                   true);
}

static void fill_port_group(struct value *root)
{
    value_add_string(root, "key", "pg-key");
    value_add_string(value_add(root, "config", "DVPortgroupConfigInfo"), "key", "pg-key");
}

static struct value *place_value(struct fake_vcenter *fake, const struct place *place)
{
    struct value *root = value_new("place", NULL);

    value_add_string(root, "name",
                     fake->is_host && str_eq(place->type, "Datacenter") ? "ha-datacenter"
                                                                        : place->name);
    value_add_text(root, "overallStatus", "ManagedEntityStatus", "green");
    if (place->parent != NULL)
        value_add_ref(root, "parent", place->parent_type, place->parent);
    if (str_eq(place->type, "Folder"))
        add_children(fake, place->id, "ManagedEntity", "childEntity", root);
    else if (str_eq(place->type, "Datacenter"))
        fill_datacenter(root);
    else if (str_eq(place->type, "ClusterComputeResource"))
        fill_cluster(fake, root);
    else if (str_eq(place->type, "HostSystem"))
        fill_host(fake, place->id, root);
    else if (str_eq(place->type, "Datastore"))
        fill_datastore(place->name, root);
    else if (str_eq(place->type, "DistributedVirtualPortgroup"))
        fill_port_group(root);
    else if (str_eq(place->type, "ResourcePool"))
        add_children(fake, "group-v1", "VirtualMachine", "vm", root);
    return root;
}

/* Views. */

static struct value *view_value(struct fake_vcenter *fake, const struct fake_view *view)
{
    struct value *root = value_new("view", NULL);
    struct value *list = value_add_array(root, "view", "ManagedObjectReference");

    for (size_t t = 0; t < view->types.len; t++) {
        for (size_t i = 0; i < ARRAY_SIZE(places); i++)
            if (fake_is_a(places[i].type, view->types.ptr[t]))
                value_add_ref(list, "view", places[i].type, places[i].id);
        for (size_t i = 0; fake_is_a("VirtualMachine", view->types.ptr[t]) &&
                           i < fake->machines.len; i++)
            if (!fake->machines.ptr[i].removed)
                value_add_ref(list, "view", "VirtualMachine", fake->machines.ptr[i].id);
    }
    return root;
}

const struct fake_view *fake_find_view(struct fake_vcenter *fake, const char *id)
{
    for (size_t i = 0; i < fake->views.len; i++)
        if (str_eq(fake->views.ptr[i].id, id))
            return &fake->views.ptr[i];
    return NULL;
}

/* Any object. */

const char *fake_object_type(struct fake_vcenter *fake, const char *id)
{
    const struct place *place = find_place(id);
    struct fake_machine *machine = NULL;

    if (place != NULL)
        return place->type;
    if (str_eq(id, FAKE_SESSION_MANAGER))
        return "SessionManager";
    if (fake_find_machine(fake, id) != NULL)
        return "VirtualMachine";
    if (fake_find_task(fake, id) != NULL)
        return "Task";
    if (fake_find_view(fake, id) != NULL)
        return "ContainerView";
    if (fake_find_lease(fake, id) != NULL)
        return "HttpNfcLease";
    return fake_find_snapshot(fake, id, &machine) != NULL ? "VirtualMachineSnapshot" : NULL;
}

struct value *fake_object_value(struct fake_vcenter *fake, const char *id)
{
    const struct place *place = find_place(id);
    struct fake_machine *machine = fake_find_machine(fake, id);
    struct fake_task *task = fake_find_task(fake, id);
    const struct fake_view *view = fake_find_view(fake, id);

    if (place != NULL)
        return place_value(fake, place);
    if (str_eq(id, FAKE_SESSION_MANAGER))
        return fake_session_manager_value();
    if (machine != NULL)
        return fake_machine_value(fake, machine);
    if (task != NULL)
        return fake_task_value(task);
    if (view != NULL)
        return view_value(fake, view);
    if (fake_find_lease(fake, id) != NULL)
        return fake_lease_value(fake, fake_find_lease(fake, id));
    struct fake_snapshot *snapshot = fake_find_snapshot(fake, id, &machine);
    return snapshot != NULL ? fake_snapshot_value(fake, machine, snapshot) : NULL;
}

unsigned fake_object_changed(struct fake_vcenter *fake, const char *id)
{
    struct fake_machine *machine = fake_find_machine(fake, id);
    struct fake_task *task = fake_find_task(fake, id);

    if (machine != NULL)
        return machine->changed;
    if (task != NULL)
        return task->changed;
    if (fake_find_lease(fake, id) != NULL)
        return fake_find_lease(fake, id)->changed;
    return fake->maintenance && str_eq(id, "host-1") ? 2 : 1;
}
