/* A backup is put back as writes like any other, all of them in one transaction: what differs is
 * created, replaced or removed, each with a new resourceVersion.  So watches see it, versions never
 * go back, and nobody ever sees, nor does a crash leave, half of it. */
#include "apiserver/store.h"

#define LOG_COMPONENT "store"

#include "apiserver/database.h"
#include "base/error.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/text.h"
#include "data/obj.h"

#include <stdlib.h>
#include <string.h>

DEFINE_VECTOR(value_list, json_t *)

#define FIRST_TABLE "customresourcedefinitions.apiextensions.k8s.io"

/* What is in the backup: table -> (namespace/name -> object), and what must stay until it is
 * written. */
struct saved {
    struct store *store;
    struct map *tables;
    uint64_t version;
    struct value_list values;
    struct object_list olds;
    struct store_restored count;
};

static void free_object(void *object)
{
    object_unref(object);
}

static void free_table(void *table)
{
    map_free(table, free_object);
}

static void add_object(void *arg, const char *name, struct object *object)
{
    struct saved *saved = arg;
    struct map *table = map_find(saved->tables, name);

    if (table == NULL) {
        table = map_new();
        map_put(saved->tables, name, table);
    }
    object_unref(map_put(table, object->key, object));
}

static int read_saved(const struct store_options *from, struct saved *saved, struct error **err)
{
    struct database *database = NULL;

    if (database_open(from, &database, err) == -1)
        return -1;
    int result = database_load(database, add_object, saved, &saved->version, err);
    database_close(database);
    return result;
}

/* The same but for the resourceVersion. */
static bool is_same(const struct object *a, const struct object *b)
{
    if (strcmp(a->uid, b->uid) != 0)
        return false;
    json_auto_t *x = object_parse(a);
    json_auto_t *y = object_parse(b);
    obj_del(x, "metadata.resourceVersion");
    obj_del(y, "metadata.resourceVersion");
    return obj_eq(x, y);
}

static void add_change(struct saved *saved, struct store_change_list *changes,
                       struct store_table *table, struct object *old, const struct object *value,
                       bool remove)
{
    const struct store_change change = {
        .table = table,
        .ns = value->ns,
        .name = value->name,
        .old = old,
        .value = object_parse(value),
        .remove = remove,
    };

    value_list_push(&saved->values, (json_t *)(uintptr_t)change.value);
    store_change_list_push(changes, change);
    remove ? saved->count.removed++ : saved->count.written++;
}

/* An object becomes WANTED.  One of the same name and another uid goes first. */
static void put_object(struct saved *saved, struct store_change_list *changes,
                       struct store_table *table, const struct object *wanted)
{
    struct object *now = store_get(table, wanted->ns, wanted->name);

    if (now != NULL)
        object_list_push(&saved->olds, now);
    if (now != NULL && is_same(now, wanted))
        return;
    bool is_other = now != NULL && strcmp(now->uid, wanted->uid) != 0;
    if (is_other)
        add_change(saved, changes, table, now, now, true);
    add_change(saved, changes, table, is_other ? NULL : now, wanted, false);
}

static void put_table(struct saved *saved, struct store_change_list *changes, const char *name,
                      const struct map *objects)
{
    struct store_table *table = store_table(saved->store, name, str_eq(name, STORE_SEALED_TABLE));
    size_t pos = 0;
    void *value = NULL;

    while (map_next(objects, &pos, &value) != NULL)
        put_object(saved, changes, table, value);
}

/* Removes what the backup does not have. */
static int clear_table(struct saved *saved, struct store_change_list *changes, const char *name,
                       const struct map *objects, struct error **err)
{
    CLEANUP(object_list) struct object_list now = {0};
    struct store_table *table = store_table(saved->store, name, str_eq(name, STORE_SEALED_TABLE));
    uint64_t version = 0;

    if (store_list(table, NULL, "", &version, &now, err) == -1)
        return -1;
    for (size_t i = 0; i < now.len; i++) {
        struct object *object = now.ptr[i];
        if (objects != NULL && map_find(objects, object->key) != NULL)
            continue;
        object_list_push(&saved->olds, object_ref(object));
        add_change(saved, changes, table, object, object, true);
    }
    return 0;
}

/* What differs, on the writer's thread. */
static int plan(void *arg, struct store_change_list *changes, struct error **err)
{
    struct saved *saved = arg;
    struct str_list names = {0};
    const struct map *first = map_find(saved->tables, FIRST_TABLE);
    const char *name;
    size_t pos = 0;
    void *table = NULL;
    int result = 0;

    /* definitions first, so that nothing is there without its kind */
    if (first != NULL)
        put_table(saved, changes, FIRST_TABLE, first);
    while ((name = map_next(saved->tables, &pos, &table)) != NULL)
        if (!str_eq(name, FIRST_TABLE))
            put_table(saved, changes, name, table);
    store_table_names(saved->store, &names);
    for (size_t i = 0; i < names.len && result == 0; i++)
        result =
            clear_table(saved, changes, names.ptr[i], map_find(saved->tables, names.ptr[i]), err);
    str_list_free_all(&names);
    return result;
}

static void saved_reset(struct saved *saved)
{
    map_free(saved->tables, free_table);
    for (size_t i = 0; i < saved->values.len; i++)
        json_decref(saved->values.ptr[i]);
    value_list_reset(&saved->values);
    object_list_free_all(&saved->olds);
}

int store_restore(struct store *store, const struct store_options *from,
                  struct store_restored *count, struct error **err)
{
    struct saved saved = {.store = store, .tables = map_new()};
    int result = read_saved(from, &saved, err);

    if (result == 0)
        result = store_write_together(store, plan, &saved, err);
    *count = saved.count;
    saved_reset(&saved);
    if (result == -1)
        return error_wrap(err, "cannot restore");
    log_info("restored: written=%zu removed=%zu", count->written, count->removed);
    return 0;
}
