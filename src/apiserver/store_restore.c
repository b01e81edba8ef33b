/* A backup is put back as ordinary writes: what differs is created, replaced or removed, each with a
 * new resourceVersion.  So watches see it like any other change, versions never go back, and a crash
 * in the middle leaves a store that can be read and a restore that can be run again. */
#include "apiserver/store.h"

#define LOG_COMPONENT "store"

#include "apiserver/store_disk.h"
#include "base/error.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/text.h"
#include "data/obj.h"

#include <stdlib.h>
#include <string.h>

enum { TRIES = 16 };

#define FIRST_TABLE "customresourcedefinitions.apiextensions.k8s.io"

/* What is in the backup: table -> (namespace/name -> object). */
struct saved {
    struct map *tables;
    uint64_t version;
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
    struct disk *disk = NULL;

    if (store_disk_open(from, &disk, err) == -1)
        return -1;
    int result = disk_load(disk, add_object, saved, &saved->version, err);
    store_disk_close(disk);
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

/* One object becomes WANTED (NULL: it goes).  An object of the same name and another uid goes first.
 * Others may write meanwhile, so it looks again after a conflict. */
static int put_back(struct store *store, struct store_table *table, const char *ns,
                    const char *name, const struct object *wanted, struct store_restored *count,
                    struct error **err)
{
    json_auto_t *value = wanted == NULL ? NULL : object_parse(wanted);

    for (int tries = 0; tries < TRIES; tries++) {
        CLEANUP(error) struct error *failure = NULL;
        CLEANUP(object) struct object *now = store_get(table, ns, name);
        if (wanted == NULL ? now == NULL : now != NULL && is_same(now, wanted))
            return 0;
        bool remove = now != NULL && (wanted == NULL || strcmp(now->uid, wanted->uid) != 0);
        json_auto_t *last = remove ? object_parse(now) : NULL;
        const struct store_change change = {.table = table, .ns = ns, .name = name, .old = now,
                                            .value = remove ? last : value, .remove = remove};
        if (store_write(store, &change, NULL, &failure) == 0) {
            remove ? count->removed++ : count->written++;
            if (remove == (wanted == NULL))
                return 0;
        } else if (failure->code != ERROR_CONFLICT && failure->code != ERROR_EXISTS &&
                   failure->code != ERROR_NOT_FOUND) {
            *err = steal(&failure);
            return error_wrap(err, "\"%s/%s\"", ns, name);
        }
    }
    return error_set(err, ERROR_BUSY, "\"%s/%s\" is written by others all the time", ns, name);
}

static int put_table(struct store *store, const char *name, const struct map *objects,
                     struct store_restored *count, struct error **err)
{
    struct store_table *table = store_table(store, name, str_eq(name, STORE_SEALED_TABLE));
    size_t pos = 0;
    void *value = NULL;

    while (map_next(objects, &pos, &value) != NULL) {
        const struct object *object = value;
        if (put_back(store, table, object->ns, object->name, object, count, err) == -1)
            return error_wrap(err, "%s", name);
    }
    return 0;
}

/* Removes what the backup does not have. */
static int clear_table(struct store *store, const char *name, const struct map *objects,
                       struct store_restored *count, struct error **err)
{
    CLEANUP(object_list) struct object_list now = {0};
    struct store_table *table = store_table(store, name, str_eq(name, STORE_SEALED_TABLE));
    uint64_t version = 0;

    if (store_list(table, NULL, "", &version, &now, err) == -1)
        return -1;
    for (size_t i = 0; i < now.len; i++) {
        const struct object *object = now.ptr[i];
        if (objects != NULL && map_find(objects, object->key) != NULL)
            continue;
        if (put_back(store, table, object->ns, object->name, NULL, count, err) == -1)
            return error_wrap(err, "%s", name);
    }
    return 0;
}

static int put_all(struct store *store, const struct saved *saved, struct store_restored *count,
                   struct error **err)
{
    struct str_list names = {0};
    const struct map *first = map_find(saved->tables, FIRST_TABLE);
    const char *name;
    size_t pos = 0;
    void *table = NULL;

    /* definitions first, so that nothing is there without its kind */
    if (first != NULL && put_table(store, FIRST_TABLE, first, count, err) == -1)
        return -1;
    while ((name = map_next(saved->tables, &pos, &table)) != NULL)
        if (!str_eq(name, FIRST_TABLE) && put_table(store, name, table, count, err) == -1)
            return -1;
    int result = 0;
    store_table_names(store, &names);
    for (size_t i = 0; i < names.len && result == 0; i++)
        result = clear_table(store, names.ptr[i], map_find(saved->tables, names.ptr[i]), count,
                             err);
    str_list_free_all(&names);
    return result;
}

int store_restore(struct store *store, const struct store_options *from,
                  struct store_restored *count, struct error **err)
{
    struct saved saved = {.tables = map_new()};

    *count = (struct store_restored){0};
    int result = read_saved(from, &saved, err);
    if (result == 0)
        result = put_all(store, &saved, count, err);
    map_free(saved.tables, free_table);
    if (result == -1)
        return error_wrap(err, "cannot restore");
    log_info("restored: written=%zu removed=%zu", count->written, count->removed);
    return 0;
}
