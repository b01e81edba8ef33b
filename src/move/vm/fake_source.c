#include "move/vm/fake_source.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "data/obj.h"
#include "inventory/inventory.h"
#include "source/source.h"
#include "validation/validation.h"

#include <stdlib.h>
#include <string.h>

enum { DISK_BYTES = 3 * 1024 * 1024 + 512 };

static json_t *objects; /* kind to array */
static json_t *trouble; /* of users' rules, or NULL */
static bool complete, power_on;
static bool locked;
static const char *test_failure, *problem_where, *problem_what;

static int fake_open(const struct source_config *config, struct source **out, struct error **err)
{
    return 0;
}

static void fake_close(struct source *source)
{
}

static int fake_test(struct source *source, struct cancel *cancel, struct error **err)
{
    return test_failure == NULL ? 0 : error_set(err, ERROR_DENIED, "%s", test_failure);
}

static int fake_collect(struct source *source, const struct source_sink *sink,
                        struct cancel *cancel, struct error **err)
{
    return 0;
}

static int fake_describe(struct source *source, const json_t *vm, struct machine **out,
                         struct error **err)
{
    struct machine *machine = machine_new();

    if (obj_bool(vm, "broken", false)) {
        machine_free(machine);
        return error_set(err, ERROR_INVALID, "the description of the VM is broken");
    }
    machine->id = xstrdup(obj_str(vm, "id", ""));
    machine->name = xstrdup(obj_str(vm, "name", ""));
    machine->uuid = xstrdup("11111111-2222-3333-4444-555555555555");
    machine->sockets = machine->cores = machine->threads = 1;
    machine->memory_bytes = 512ULL << 20;
    for (int64_t i = 0; i < obj_int(vm, "diskCount", 0); i++)
        machine_disk_list_push(
            &machine->disks,
            (struct machine_disk){.id = xasprintf("%s-disk-%d", machine->id, (int)i),
                                  .name = xasprintf("/a.ova::disk-%d", (int)i),
                                  .storage_id = xasprintf("%s-disk-%d", machine->id, (int)i),
                                  .storage_group_id = xstrdup("group"),
                                  .capacity_bytes = DISK_BYTES});
    machine_nic_list_push(&machine->nics,
                          (struct machine_nic){.name = xstrdup("eth0"),
                                               .mac = xasprintf("52:54:00:00:00:%02x",
                                                                (unsigned)machine->id[0] & 0xff),
                                               .network_id = xstrdup("net-1"),
                                               .model = xstrdup("e1000")});
    str_list_push(&machine->static_ips,
                  xasprintf("%s:ip:10.1.2.3,10.1.0.1,16", machine->nics.ptr[0].mac));
    *out = machine;
    return 0;
}

static int fake_disk_access(struct source *source, const json_t *vm, const struct machine *machine,
                            size_t disk, const char *snapshot, struct source_disk_access *access, struct error **err)
{
    access->uri = xstrdup("/source/a.ova!disk.vmdk");
    access->digest = xstrdup("sha256:00");
    access->volume = obj_pack("{s:{s:s}}", "hostPath", "path", "/srv");
    access->mount_path = xstrdup("/source");
    return 0;
}

static int fake_power_get(struct source *source, const char *vm_id, enum source_power *state,
                          struct error **err)
{
    *state = power_on ? SOURCE_POWER_ON : SOURCE_POWER_OFF;
    return 0;
}

static const json_t *find_vm(const char *id)
{
    const json_t *list = json_object_get(objects, "VM");

    for (size_t i = 0; i < json_array_size(list); i++)
        if (str_eq(obj_str(json_array_get(list, i), "id", ""), id))
            return json_array_get(list, i);
    return NULL;
}

static int fake_power_set(struct source *source, const char *vm_id, enum source_power state,
                          bool force, struct cancel *cancel, struct error **err)
{
    if (locked)
        return error_set(err, ERROR_DENIED, "the password is wrong");
    if (find_vm(vm_id) == NULL)
        return error_set(err, ERROR_NOT_FOUND, "there is no VM \"%s\"", vm_id);
    power_on = state == SOURCE_POWER_ON;
    return 0;
}

static struct source_ops ops = {.type = "ova",
                                .needs_conversion = true,
                                .open = fake_open,
                                .close = fake_close,
                                .test = fake_test,
                                .collect = fake_collect,
                                .describe = fake_describe,
                                .disk_access = fake_disk_access,
                                .power_get = fake_power_get,
                                .power_set = fake_power_set};

void fake_source_reset(void)
{
    json_decref(objects);
    objects = json_object();
    complete = true;
    power_on = locked = false;
    test_failure = problem_where = problem_what = NULL;
    ops.can_power = false;
    fake_source_set_rules_trouble(NULL);
    fake_source_add("Network", "net-1", "VM Network");
    fake_source_add("Storage", "group", "Dummy storage for source provider src");
}

static void add_object(const char *kind, json_t *object)
{
    if (json_object_get(objects, kind) == NULL)
        json_object_set_new(objects, kind, json_array());
    json_array_append_new(json_object_get(objects, kind), object);
}

void fake_source_add(const char *kind, const char *id, const char *name)
{
    add_object(kind, obj_pack("{s:s, s:s}", "id", id, "name", name));
}

void fake_source_put(const char *kind, json_t *object)
{
    add_object(kind, object);
}

void fake_source_add_vm(const char *id, const char *name, size_t disks)
{
    add_object("VM", obj_pack("{s:s, s:s, s:i, s:b}", "id", id, "name", name, "diskCount",
                              (int)disks, "broken", str_eq(name, "broken")));
}

void fake_source_remove_vm(const char *id)
{
    json_t *list = json_object_get(objects, "VM");

    for (size_t i = json_array_size(list); i > 0; i--)
        if (str_eq(obj_str(json_array_get(list, i - 1), "id", ""), id))
            json_array_remove(list, i - 1);
}

void fake_source_set_complete(bool is_complete)
{
    complete = is_complete;
}

void fake_source_set_power(bool on)
{
    ops.can_power = true;
    power_on = on;
}

void fake_source_lock(bool is_locked)
{
    locked = is_locked;
}

bool fake_source_is_on(void)
{
    return power_on;
}

void fake_source_set_test(const char *failure)
{
    test_failure = failure;
}

void fake_source_set_problem(const char *where, const char *what)
{
    problem_where = where;
    problem_what = what;
}

/* ---- what inventory/ would answer -------------------------------------------- */

int inventory_add_provider(struct inventory *inventory, const json_t *provider,
                           const json_t *secret, struct error **err)
{
    return 0;
}

void inventory_remove_provider(struct inventory *inventory, const char *ns, const char *name)
{
}

bool inventory_is_complete(struct inventory *inventory, const char *ns, const char *name)
{
    return complete;
}

json_t *inventory_get_trouble(struct inventory *inventory, const char *ns, const char *name)
{
    if (problem_where == NULL)
        return NULL;
    return obj_pack("{s:[{s:s, s:s}]}", "problems", "where", problem_where, "what", problem_what);
}

int inventory_find(struct inventory *inventory, const char *ns, const char *provider,
                   const char *kind, const char *id, const char *name, json_t **out,
                   struct error **err)
{
    const json_t *list = json_object_get(objects, kind);
    json_t *found = NULL;

    for (size_t i = 0; i < json_array_size(list); i++) {
        json_t *object = json_array_get(list, i);
        if (id != NULL ? !str_eq(obj_str(object, "id", ""), id)
                       : !str_eq(obj_str(object, "name", ""), name))
            continue;
        if (found != NULL)
            return error_set(err, ERROR_INVALID, "several are called \"%s\"", name);
        found = object;
    }
    *out = json_incref(found);
    return 0;
}

json_t *inventory_list(struct inventory *inventory, const char *ns, const char *provider,
                       const char *kind)
{
    const json_t *list = json_object_get(objects, kind);

    return list != NULL ? json_copy((json_t *)(uintptr_t)list) : json_array();
}

struct source *inventory_get_source(struct inventory *inventory, const char *ns, const char *name,
                                    const struct source_ops **out)
{
    static char any;

    *out = &ops;
    return (struct source *)(void *)&any;
}

void inventory_put_source(struct inventory *inventory, struct source *source)
{
}

/* --- and of validation -------------------------------------------------------------------------- */

void fake_source_set_rules_trouble(json_t *value)
{
    json_decref(trouble);
    trouble = value;
}

json_t *validation_get_trouble(struct validation *validation)
{
    return json_incref(trouble);
}
