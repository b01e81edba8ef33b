#include "inventory/routes.h"

#include "base/array.h"
#include "base/text.h"
#include "data/obj.h"

#include <stddef.h>

const char *const route_provider_types[] = {"openshift", "vsphere", "ovirt",  "openstack",
                                            "ova",       "ec2",     "hyperv", NULL};

/* ComputeResource objects stand around single hosts. */
static bool is_single_host(const json_t *object)
{
    return !str_is_empty(obj_str(object, "variant", NULL));
}

static bool is_template_or_ghost(const json_t *object)
{
    return obj_bool(object, "isTemplate", false) ||
           (str_is_empty(obj_str(object, "uuid", NULL)) &&
            str_is_empty(obj_str(object, "instanceUuid", NULL)) &&
            str_is_empty(obj_str(object, "host", NULL)));
}

/* clang-format off */
static const char *const ova_base[] = {"id", "variant", "name", "selfLink", "path", NULL};
static const char *const ova_middle[] = {
    "revisionValidated", "networks", "disks", "concerns", NULL};
static const char *const ova_hidden[] = {"revision", NULL};
static const char *const ova_counts[] = {
    "vmCount", "VM", "networkCount", "Network", "diskCount", "Disk", "storageCount", "Storage",
    NULL};
static const struct route_collection ova_collections[] = {
    {"vms", "VM", ova_base, ova_middle},
    {"networks", "Network", ova_base, NULL},
    {"disks", "Disk", ova_base, NULL},
    {"storages", "Storage", ova_base, NULL},
    {NULL},
};

static const char *const openshift_base[] = {
    "uid", "version", "namespace", "name", "selfLink", "path", "id", NULL};
static const char *const openshift_hidden[] = {
    "revision", "concerns", "revisionValidated", "policyVersion", NULL};
static const char *const openshift_counts[] = {
    "vmCount", "VM", "networkCount", "NetworkAttachmentDefinition", "storageClassCount",
    "StorageClass", NULL};
static const struct route_collection openshift_collections[] = {
    {"namespaces", "Namespace", openshift_base, NULL},
    {"storageclasses", "StorageClass", openshift_base, NULL},
    {"networkattachmentdefinitions", "NetworkAttachmentDefinition", openshift_base, NULL},
    {"vms", "VM", openshift_base, NULL},
    {"instancetypes", "InstanceType", openshift_base, NULL},
    {"clusterinstancetypes", "ClusterInstanceType", openshift_base, NULL},
    {"persistentvolumeclaims", "PersistentVolumeClaim", openshift_base, NULL},
    {"datavolumes", "DataVolume", openshift_base, NULL},
    {"kubevirts", "KubeVirt", openshift_base, NULL},
    {NULL},
};

static const char *const openshift_tree_kinds[] = {"VM", NULL};
static const struct route_tree openshift_trees[] = {
    {"namespace", "Namespace", openshift_tree_kinds}, {NULL}};

/* vSphere: lists of machines are always whole, as clients expect them. */
static const char *const vsphere_base[] = {
    "id", "variant", "parent", "path", "revision", "name", "selfLink", NULL};
static const char *const no_keys[] = {NULL};
static const char *const vsphere_counts[] = {
    "datacenterCount", "Datacenter", "clusterCount", "Cluster", "hostCount", "Host", "vmCount", "VM",
    "networkCount", "Network", "datastoreCount", "Datastore", NULL};
static const struct route_collection vsphere_collections[] = {
    {"datacenters", "Datacenter", vsphere_base, NULL, NULL},
    {"clusters", "Cluster", vsphere_base, NULL, is_single_host},
    {"hosts", "Host", vsphere_base, NULL, NULL},
    {"datastores", "Datastore", vsphere_base, NULL, NULL},
    {"networks", "Network", vsphere_base, NULL, NULL},
    {"folders", "Folder", vsphere_base, NULL, NULL},
    {"vms", "VM", NULL, NULL, is_template_or_ghost},
    {NULL},
};
static const char *const vsphere_vm_kinds[] = {"Folder", "VM", NULL};
static const char *const vsphere_host_kinds[] = {"Folder", "Cluster", "Host", "VM", NULL};
static const struct route_tree vsphere_trees[] = {
    {"vm", "Datacenter", vsphere_vm_kinds}, {"host", "Datacenter", vsphere_host_kinds}, {NULL}};

static const struct route_type types[] = {
    {"openshift", openshift_collections, openshift_hidden, openshift_counts, false, openshift_trees},
    {"ova", ova_collections, ova_hidden, ova_counts, true, NULL},
    {"vsphere", vsphere_collections, no_keys, vsphere_counts, true, vsphere_trees},
};
/* clang-format on */

const struct route_type *route_find_type(const char *type)
{
    for (size_t i = 0; i < ARRAY_SIZE(types); i++)
        if (str_eq(types[i].type, type))
            return &types[i];
    return NULL;
}

const struct route_collection *route_find_collection(const struct route_type *type,
                                                     const char *path)
{
    for (const struct route_collection *at = type->collections; at->path != NULL; at++)
        if (str_eq(at->path, path))
            return at;
    return NULL;
}

const struct route_tree *route_find_tree(const struct route_type *type, const char *path)
{
    for (const struct route_tree *at = type->trees; at != NULL && at->path != NULL; at++)
        if (str_eq(at->path, path))
            return at;
    return NULL;
}

const char *route_plural(const struct route_type *type, const char *kind)
{
    for (const struct route_collection *at = type->collections; at->path != NULL; at++)
        if (str_eq(at->kind, kind))
            return at->path;
    return NULL;
}
