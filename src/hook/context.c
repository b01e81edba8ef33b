#include "hook/context.h"

#include "base/array.h"
#include "base/text.h"
#include "data/obj.h"
#include "hook/shape.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* Most bytes of a context file.  An etcd-backed ConfigMap takes 1 MiB in all; the server says so
 * when that is passed. */
enum { CONTEXT_MAX = 16 * 1024 * 1024 };

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
    {"hyperv",
     "selflink:s id:s name:s uuid:s firmware:s cpucount:i memorymb:i powerstate:s guestos:s "
     "tpmenabled:b secureboot:b hascheckpoint:b isclusterrole:b managementtype:s disks:x nics:x "
     "guestnetworks:x concerns:x"},
};

/* ---- block YAML ------------------------------------------------------------------------- */

static void write_value(struct buf *out, const json_t *value, int indent, bool in_list);

static void write_indent(struct buf *out, int indent)
{
    for (int i = 0; i < indent; i++)
        buf_add(out, "  ");
}

/* JSON's quoted text is also YAML's. */
static void write_text(struct buf *out, const char *text)
{
    json_t *value = json_string(text);
    obj_format_to(value, out);
    json_decref(value);
}

static void write_key(struct buf *out, const char *key)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyz_";

    if (key[0] != '\0' && key[strspn(key, plain)] == '\0' && !str_eq(key, "null") &&
        !str_eq(key, "true") && !str_eq(key, "false") && !str_eq(key, "y") && !str_eq(key, "n") &&
        !str_eq(key, "yes") && !str_eq(key, "no") && !str_eq(key, "on") && !str_eq(key, "off"))
        buf_add(out, key);
    else
        write_text(out, key);
    buf_add_char(out, ':');
}

static void write_object(struct buf *out, const json_t *value, int indent, bool in_list)
{
    const char *key;
    json_t *member;
    bool first = in_list; /* the first key stands beside the dash */

    json_object_foreach ((json_t *)(uintptr_t)value, key, member) {
        if (!first)
            write_indent(out, indent);
        first = false;
        write_key(out, key);
        write_value(out, member, indent + 1, false);
    }
}

static void write_value(struct buf *out, const json_t *value, int indent, bool in_list)
{
    bool nested = (json_is_object(value) && json_object_size(value) > 0) ||
                  (json_is_array(value) && json_array_size(value) > 0);

    if (!nested) {
        if (!in_list)
            buf_add_char(out, ' ');
        obj_format_to(value, out);
        buf_add_char(out, '\n');
        return;
    }
    if (!in_list)
        buf_add_char(out, '\n');
    if (json_is_object(value)) {
        write_object(out, value, indent, in_list);
        return;
    }
    for (size_t i = 0; i < json_array_size(value); i++) {
        if (!in_list || i > 0)
            write_indent(out, indent);
        buf_add(out, "- ");
        write_value(out, json_array_get(value, i), indent + 1, true);
    }
}

static char *yaml_of(const json_t *object)
{
    struct buf out = BUF_INIT(CONTEXT_MAX);

    write_object(&out, object, 0, false);
    return buf_take(&out);
}

/* ---- files ------------------------------------------------------------------------------ */

char *hook_plan_yaml(const json_t *plan)
{
    json_auto_t *shaped = shape_apply(plan_shape, obj_at(plan, "spec"));

    return yaml_of(shaped);
}

char *hook_workload_yaml(const char *type, const json_t *workload)
{
    for (size_t i = 0; i < ARRAY_SIZE(workload_shapes); i++) {
        if (!str_eq(workload_shapes[i].type, type))
            continue;
        json_auto_t *shaped = shape_apply(workload_shapes[i].shape, workload);
        return yaml_of(shaped);
    }
    json_auto_t *lowered = shape_lower_keys(workload);
    return yaml_of(lowered);
}
