#include "hook/context.h"

#include "base/array.h"
#include "base/text.h"
#include "data/obj.h"
#include "data/yaml.h"
#include "hook/shape.h"

#define REFERENCE "kind:s namespace:s name:s uid:s apiversion:s resourceversion:s fieldpath:s"

static const char plan_shape[] =
    "description:s targetnamespace:s serviceaccount:s targetlabels:m targetnodeselector:m "
    "targetaffinity:x convertorlabels:m convertornodeselector:m convertoraffinity:x "
    "conversiontempstorageclass:s conversiontempstoragesize:s "
    "provider(source(" REFERENCE ") destination(" REFERENCE ")) "
    "map(network(" REFERENCE ") storage(" REFERENCE ")) "
    "vms[ref@(id:s name:s namespace:s type:s) hooks[step:s hook(" REFERENCE ")] "
    "luks(" REFERENCE ") nbdeclevis:b rootdisk:s instancetype:s pvcnametemplate:s "
    "volumenametemplate:s networknametemplate:s targetname:s targetpowerstate:s "
    "deletevmonfailmigration:b migrateshareddisks:p enablenestedvirtualization:p rdmaslun:p "
    "scsireservation:p] "
    "warm:b transfernetwork?(" REFERENCE ") archived:b preserveclustercpumodel:b "
    "preservestaticips:b skipzonenodeselector:b diskbus:s pvcnametemplate:s "
    "pvcnametemplateusegeneratename:p volumenametemplate:s networknametemplate:s "
    "migrateshareddisks:b rdmaslun:b scsireservation:b deleteguestconversionpod:b "
    "deletevmonfailmigration:b installlegacydrivers:p enablenestedvirtualization:p "
    "skipguestconversion:b usecompatibilitymode:b type:s targetpowerstate:s "
    "runpreflightinspection:b customizationscripts?(" REFERENCE ") virtv2vimage:s "
    "xfscompatibility:b tagmapping?(disabled:b labeltags:l)";

#define BASE_OVA "id:s variant:s name:s revision:i"
#define REF_VSPHERE "kind:s id:s"

static const struct workload_shape {
    const char *type;
    const char *shape;
} workload_shapes[] = {
    {"ova",
     "selflink:s "
     "vm@(vm1@(vm0@(id:s variant:s name:s path:s selflink:s) revisionvalidated:i "
     "networks[base@(" BASE_OVA ") description:s] "
     "disks[base@(" BASE_OVA ") filepath:s capacity:i capacityallocationunits:s diskid:s "
     "fileref:s format:s populatedsize:i] concerns:x) "
     "ovfpath:s exportsource:s ostype:s policyversion:i uuid:s firmware:s secureboot:b "
     "cpuaffinity:l cpuhotaddenabled:b cpuhotremoveenabled:b memoryhotaddenabled:b "
     "faulttoleranceenabled:b cpucount:i corespersocket:i memorymb:i memoryunits:s cpuunits:s "
     "balloonedmemory:i ipaddress:s numanodeaffinity:l storageused:i changetrackingenabled:b "
     "devices[kind:s] nics[name:s mac:s network:s config[key:s value:s]]) "
     "config:x"},
    {"vsphere",
     "selflink:s "
     "vm@(vm1@(vm0@(id:s variant:s parent(" REF_VSPHERE ") path:s revision:i name:s selflink:s) "
     "revisionvalidated:i istemplate:b powerstate:s host:s networks[" REF_VSPHERE "] disks:x "
     "concerns:x) "
     "policyversion:i uuid:s instanceuuid:s firmware:s connectionstate:s "
     "snapshot(" REF_VSPHERE ") changetrackingenabled:b consolidationneeded:b cpuaffinity:l "
     "cpuhotaddenabled:b cpuhotremoveenabled:b memoryhotaddenabled:b faulttoleranceenabled:b "
     "cpucount:i corespersocket:i memorymb:i guestname:s guestnamefromvmwaretools:s hostname:s "
     "guestid:s balloonedmemory:i ipaddress:s storageused:i tpmenabled:b numanodeaffinity:l "
     "devices:x nics:x guestnetworks:x guestdisks:x guestipstacks:x secureboot:b toolsstatus:s "
     "toolsrunningstatus:s toolsversionstatus:s diskenableuuid:b nestedhvenabled:b customdef:x "
     "customvalues:x tags:x)"},
    {"hyperv",
     "selflink:s id:s name:s uuid:s firmware:s cpucount:i memorymb:i powerstate:s guestos:s "
     "tpmenabled:b secureboot:b hascheckpoint:b isclusterrole:b managementtype:s disks:x nics:x "
     "guestnetworks:x concerns:x"},
};

/* Written guides to hooks also use plan.metadata.name, plan.spec.targetNamespace and
 * workload.vm.name, which Forklift's own files do not have: they are there beside the others. */
static void add_plan_aliases(const json_t *plan, json_t *shaped)
{
    static const char *const keys[] = {"name", "namespace", "uid", "labels", "annotations"};
    json_t *metadata = json_object();

    for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
        json_t *value = json_object_get(obj_at(plan, "metadata"), keys[i]);
        if (value != NULL)
            json_object_set(metadata, keys[i], value);
    }
    if (json_object_get(metadata, "labels") == NULL)
        json_object_set_new(metadata, "labels", json_object());
    obj_take(shaped, "metadata", metadata);
    obj_take(shaped, "spec", obj_copy(obj_at(plan, "spec")));
}

static void add_workload_aliases(const json_t *workload, json_t *shaped)
{
    static const char *const keys[] = {"id", "name"};
    json_t *vm = obj_obj(shaped, "vm");

    for (size_t i = 0; vm != NULL && i < ARRAY_SIZE(keys); i++) {
        json_t *value = json_object_get(workload, keys[i]);
        if (json_is_string(value) && json_object_get(vm, keys[i]) == NULL)
            json_object_set(vm, keys[i], value);
    }
}

/* A vSphere workload's host is an object, in place of the VM's own host, which is its id. */
static void add_vsphere_host(const json_t *workload, json_t *shaped)
{
    const json_t *host = json_object_get(workload, "host");
    json_t *lowered = json_is_object(host) ? shape_lower_keys(host) : json_object();

    obj_put_str(shaped, "vm.vm1.host", obj_str(workload, "host.id", obj_str(workload, "host", "")));
    obj_take(shaped, "host", lowered);
}

char *hook_plan_yaml(const json_t *plan)
{
    json_auto_t *shaped = shape_apply(plan_shape, obj_at(plan, "spec"));

    add_plan_aliases(plan, shaped);
    return obj_format_yaml(shaped);
}

char *hook_workload_yaml(const char *type, const json_t *workload)
{
    for (size_t i = 0; i < ARRAY_SIZE(workload_shapes); i++) {
        if (!str_eq(workload_shapes[i].type, type))
            continue;
        json_auto_t *shaped = shape_apply(workload_shapes[i].shape, workload);
        if (str_eq(type, "vsphere"))
            add_vsphere_host(workload, shaped);
        add_workload_aliases(workload, shaped);
        return obj_format_yaml(shaped);
    }
    json_auto_t *lowered = shape_lower_keys(workload);
    return obj_format_yaml(lowered);
}
