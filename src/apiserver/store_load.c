/* The history on disk has what each change replaced or removed.  What it put there instead is the
 * version that the next change of that object replaced, or the object as it is; versions are
 * unique, so one sorted list of all finds it.  A version that no change put there was created. */
#include "apiserver/store_load.h"

#include "apiserver/database.h"
#include "apiserver/store_memory.h"
#include "base/error.h"
#include "base/vector.h"

#include <stdlib.h>

struct change {
    struct store_table *table;
    uint64_t version;
    struct store_event event; /* owned until memory takes it */
};

DEFINE_VECTOR(change_list, struct change)

struct version {
    struct store_table *table;
    struct object *object; /* a reference */
    bool is_replacement;   /* of an older one */
};

DEFINE_VECTOR(version_list, struct version)

struct loading {
    struct memory *memory;
    uint64_t forgotten;
    struct change_list changes;
    struct version_list versions; /* those that are newer than what is forgotten */
};

static void add_version(struct loading *loading, struct store_table *table, struct object *object)
{
    if (object->rv > loading->forgotten)
        version_list_push(&loading->versions, (struct version){table, object_ref(object), false});
}

static void load_object(void *arg, const char *name, struct object *object)
{
    struct loading *loading = arg;
    struct store_table *table = memory_table(loading->memory, name, false);

    add_version(loading, table, object);
    memory_load(table, object);
}

static void load_change(void *arg, const struct disk_change *change)
{
    struct loading *loading = arg;
    struct change made = {
        .table = memory_table(loading->memory, change->table, false),
        .version = change->version,
        .event = {.type = change->last != NULL ? STORE_DELETED : STORE_MODIFIED,
                  .object = change->last,
                  .old = change->old},
    };

    change_list_push(&loading->changes, made);
}

static int by_version(const void *a, const void *b)
{
    const struct version *x = a, *y = b;

    return x->object->rv < y->object->rv ? -1 : x->object->rv > y->object->rv;
}

static int by_change(const void *a, const void *b)
{
    const struct change *x = a, *y = b;

    return x->version < y->version ? -1 : x->version > y->version;
}

static struct version *find_version(struct loading *loading, uint64_t version)
{
    struct object wanted = {.rv = version};
    const struct version key = {.object = &wanted};

    if (loading->versions.len == 0)
        return NULL;
    return bsearch(&key, loading->versions.ptr, loading->versions.len, sizeof(key), by_version);
}

/* Gives each change the version that it made.  One that is not known, or whose predecessor is not,
 * hides all that came before it from who watches its table. */
static void complete_changes(struct loading *loading)
{
    if (loading->versions.len > 0)
        qsort(loading->versions.ptr, loading->versions.len, sizeof(struct version), by_version);
    for (size_t i = 0; i < loading->changes.len; i++) {
        struct change *change = &loading->changes.ptr[i];
        if (change->event.type == STORE_DELETED)
            continue;
        struct version *made = find_version(loading, change->version);
        if (made != NULL) {
            made->is_replacement = true;
            change->event.object = object_ref(made->object);
        }
        if (made == NULL || change->event.old == NULL)
            memory_forget(change->table, change->version);
    }
}

static void add_creations(struct loading *loading)
{
    for (size_t i = 0; i < loading->versions.len; i++) {
        struct version *version = &loading->versions.ptr[i];
        if (version->is_replacement)
            continue;
        const struct change change = {
            .table = version->table,
            .version = version->object->rv,
            .event = {.type = STORE_ADDED, .object = object_ref(version->object)},
        };
        change_list_push(&loading->changes, change);
    }
    if (loading->changes.len > 0)
        qsort(loading->changes.ptr, loading->changes.len, sizeof(struct change), by_change);
}

static void hand_over(struct loading *loading)
{
    for (size_t i = 0; i < loading->changes.len; i++) {
        struct change *change = &loading->changes.ptr[i];
        if (change->version > memory_table_forgotten(change->table)) {
            memory_load_change(change->table, &change->event);
        } else {
            object_unref(change->event.object);
            object_unref(change->event.old);
        }
    }
    loading->changes.len = 0;
}

static void reset(struct loading *loading)
{
    for (size_t i = 0; i < loading->changes.len; i++) {
        object_unref(loading->changes.ptr[i].event.object);
        object_unref(loading->changes.ptr[i].event.old);
    }
    for (size_t i = 0; i < loading->versions.len; i++)
        object_unref(loading->versions.ptr[i].object);
    change_list_reset(&loading->changes);
    version_list_reset(&loading->versions);
}

int store_load(struct database *database, struct memory *memory, uint64_t *version,
               struct error **err)
{
    struct loading loading = {.memory = memory};
    int result = 0;

    if (database_load_history(database, load_change, &loading, &loading.forgotten, err) == -1)
        result = -1;
    for (size_t i = 0; i < loading.changes.len && result == 0; i++) {
        const struct change *change = &loading.changes.ptr[i];
        if (change->event.old != NULL)
            add_version(&loading, change->table, change->event.old);
    }
    if (result == 0)
        result = database_load(database, load_object, &loading, version, err);
    if (result == 0) {
        memory_set_version(memory, *version, loading.forgotten);
        complete_changes(&loading);
        add_creations(&loading);
        hand_over(&loading);
    }
    reset(&loading);
    return result;
}
