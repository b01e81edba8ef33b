#include "apiserver/test_things.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/test.h"
#include "base/text.h"

static struct str_list kept; /* paths live as long as the program */

struct store_options things_options(const char *name)
{
    CLEANUP(str) char *dir = path_join(test_dir(), name);
    struct error *err = NULL;

    CHECK_OK(dir_make(dir, 0700, &err), err);
    struct store_options options = {
        .path = path_join(dir, "state.db"),
        .key_path = path_join(dir, "store.key"),
    };
    str_list_push(&kept, (char *)(uintptr_t)options.path);
    str_list_push(&kept, (char *)(uintptr_t)options.key_path);
    return options;
}

json_t *things_value(const char *name, const char *data)
{
    return obj_pack("{s:s, s:s, s:{s:s, s:s, s:{s:s}}, s:s}", "apiVersion", "v1", "kind", "Thing",
                    "metadata", "name", name, "uid", "u-1", "labels", "app", name, "data", data);
}

struct object *things_put(struct store *store, struct store_table *table, const char *name,
                          const struct object *old, const char *data)
{
    struct error *err = NULL;
    json_auto_t *value = things_value(name, data);
    struct object *out = NULL;
    const struct store_change change = {
        .table = table, .ns = "ns", .name = name, .old = old, .value = value};

    CHECK_OK(store_write(store, &change, &out, &err), err);
    return out;
}

struct object *things_remove(struct store *store, struct store_table *table,
                             const struct object *old)
{
    struct error *err = NULL;
    json_auto_t *value = object_parse(old);
    struct object *out = NULL;
    const struct store_change change = {.table = table,
                                        .ns = old->ns,
                                        .name = old->name,
                                        .old = old,
                                        .value = value,
                                        .remove = true};

    obj_put_bool(value, "metadata.deleting", true); /* the last state has more than the one before */
    CHECK_OK(store_write(store, &change, &out, &err), err);
    return out;
}
