#include "inventory/model.h"

#include "base/array.h"
#include "base/error.h"
#include "base/file.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/thread.h"
#include "base/vector.h"
#include "data/obj.h"
#include "inventory/feed.h"
#include "inventory/routes.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* A row keeps what is served: what the collector put with revision, link and validation's result.
 * Its values are shared with the collector's own objects. */
struct row {
    char *id;
    json_t *validated; /* fields, or NULL */
    json_t *served;    /* frozen */
    uint64_t revision;
    uint64_t round; /* the last one that put it */
};

DEFINE_VECTOR(row_list, struct row *)

struct table {
    struct map *rows;        /* id to struct row */
    struct row_list by_name; /* sorted by name; empty while names_stale */
    bool names_stale;
};

struct problem {
    char *what;
    uint64_t round;
};

struct model {
    char *link_prefix;
    const struct route_type *type;
    struct feed *feed;
    pthread_mutex_t lock; /* taken before the feed's */
    struct map *tables;   /* guarded by lock, as all below; kind to struct table */
    struct map *problems; /* where to struct problem */
    uint64_t round;
    bool changed; /* in this round */
};

static void row_free(void *arg)
{
    struct row *row = arg;

    free(row->id);
    json_decref(row->validated);
    json_decref(row->served);
    free(row);
}

static void table_free(void *arg)
{
    struct table *table = arg;

    row_list_reset(&table->by_name);
    map_free(table->rows, row_free);
    free(table);
}

static void problem_free(void *arg)
{
    struct problem *problem = arg;

    free(problem->what);
    free(problem);
}

struct model *model_new(const char *link_prefix, const struct route_type *type)
{
    struct model *model = xcalloc(1, sizeof(*model));

    model->link_prefix = xstrdup(link_prefix);
    model->type = type;
    model->feed = feed_new();
    model->tables = map_new();
    model->problems = map_new();
    pthread_mutex_init(&model->lock, NULL);
    return model;
}

void model_free(struct model *model)
{
    if (model == NULL)
        return;
    map_free(model->tables, table_free);
    map_free(model->problems, problem_free);
    feed_free(model->feed);
    pthread_mutex_destroy(&model->lock);
    free(model->link_prefix);
    free(model);
}

/* The keys that are added to what a collector put. */
static const char *const added_keys[] = {"revision", "selfLink", "concerns", "revisionValidated",
                                         "policyVersion"};

static bool is_added(const char *key)
{
    for (size_t i = 0; i < ARRAY_SIZE(added_keys); i++)
        if (str_eq(added_keys[i], key))
            return true;
    return false;
}

/* True if SERVED is made of OBJECT. */
static bool is_made_of(const json_t *served, const json_t *object)
{
    const char *key;
    json_t *value;
    size_t count = 0;

    json_object_foreach((json_t *)(uintptr_t)served, key, value)
    {
        if (is_added(key))
            continue;
        const json_t *other = json_object_get(object, key);
        if (other != value && (other == NULL || !json_equal(value, other)))
            return false;
        count++;
    }
    return count == json_object_size(object);
}

/* Replaces what is served by COLLECTED, which may be what was served, with what is added to it; and
 * tells who listens. */
static void build_served(const struct model *model, const char *kind, struct row *row,
                         const json_t *collected, bool by_validation)
{
    const char *plural = model->type ? route_plural(model->type, kind) : NULL;
    json_t *served = json_copy((json_t *)(uintptr_t)collected); /* shallow: values are frozen */

    json_object_set_new(served, "revision", json_integer((json_int_t)row->revision));
    if (plural != NULL) {
        CLEANUP(str) char *link = xasprintf("%s/%s/%s", model->link_prefix, plural, row->id);
        json_object_set_new(served, "selfLink", json_string(link));
    }
    if (str_eq(kind, "VM")) {
        json_object_set_new(served, "concerns", json_array());
        json_object_set_new(served, "revisionValidated", json_integer(0));
        json_object_set_new(served, "policyVersion", json_integer(0));
    }
    json_object_update(served, row->validated);
    feed_tell(model->feed, kind,
              &(struct feed_change){row->served != NULL ? FEED_UPDATED : FEED_CREATED,
                                    row->served, served, by_validation});
    json_decref(row->served);
    row->served = served;
}

static struct table *find_table(struct model *model, const char *kind)
{
    return map_find(model->tables, kind);
}

static struct table *need_table(struct model *model, const char *kind)
{
    struct table *table = find_table(model, kind);

    if (table == NULL) {
        table = xcalloc(1, sizeof(*table));
        table->rows = map_new();
        map_put(model->tables, kind, table);
    }
    return table;
}

static const char *row_name(const struct row *row)
{
    return obj_str(row->served, "name", "");
}

bool model_put(struct model *model, const char *kind, const json_t *object)
{
    const char *id = obj_str(object, "id", NULL);
    LOCK_SCOPE(&model->lock);
    struct table *table = need_table(model, kind);
    struct row *row = id ? map_find(table->rows, id) : NULL;

    if (id == NULL)
        return false;
    if (row != NULL) {
        row->round = model->round;
        if (is_made_of(row->served, object))
            return false;
    } else {
        row = xcalloc(1, sizeof(*row));
        row->id = xstrdup(id);
        map_put(table->rows, id, row);
    }
    row->round = model->round;
    row->revision++;
    table->names_stale = table->names_stale || row->served == NULL ||
                         !str_eq(row_name(row), obj_str(object, "name", ""));
    build_served(model, kind, row, object, false);
    model->changed = true;
    return true;
}

/* With the lock held. */
static void remove_row(struct model *model, const char *kind, struct table *table, const char *id)
{
    struct row *row = map_remove(table->rows, id);

    if (row == NULL)
        return;
    feed_tell(model->feed, kind,
              &(struct feed_change){.action = FEED_DELETED, .before = row->served});
    table->names_stale = true;
    row_list_reset(&table->by_name);
    model->changed = true;
    row_free(row);
}

bool model_remove(struct model *model, const char *kind, const char *id)
{
    LOCK_SCOPE(&model->lock);
    struct table *table = find_table(model, kind);

    if (table == NULL || map_find(table->rows, id) == NULL)
        return false;
    remove_row(model, kind, table, id);
    return true;
}

bool model_put_validation(struct model *model, const char *vm_id, int64_t revision, json_t *fields)
{
    LOCK_SCOPE(&model->lock);
    struct table *table = find_table(model, "VM");
    struct row *row = table ? map_find(table->rows, vm_id) : NULL;

    if (row == NULL || (int64_t)row->revision != revision)
        return false;
    json_incref(fields);
    json_decref(row->validated);
    row->validated = fields;
    build_served(model, "VM", row, row->served, true);
    return true;
}

void model_begin(struct model *model)
{
    LOCK_SCOPE(&model->lock);

    model->round++;
    model->changed = false;
}

bool model_complete(struct model *model)
{
    LOCK_SCOPE(&model->lock);
    void *value = NULL, *item = NULL;
    const char *key = NULL, *kind = NULL;

    for (size_t pos = 0; (kind = map_next(model->tables, &pos, &value)) != NULL;) {
        struct table *table = value;

        for (size_t at = 0; (key = map_next(table->rows, &at, &item)) != NULL;)
            if (((struct row *)item)->round != model->round)
                remove_row(model, kind, table, key);
    }
    for (size_t pos = 0; (key = map_next(model->problems, &pos, &item)) != NULL;)
        if (((struct problem *)item)->round != model->round) {
            problem_free(map_remove(model->problems, key));
            model->changed = true;
        }
    return model->changed;
}

bool model_put_problem(struct model *model, const char *where, const char *what)
{
    LOCK_SCOPE(&model->lock);
    struct problem *problem = map_find(model->problems, where);

    if (problem != NULL && what != NULL) {
        problem->round = model->round;
        if (str_eq(problem->what, what))
            return false;
        free(problem->what);
        problem->what = xstrdup(what);
    } else if (problem != NULL) {
        problem_free(map_remove(model->problems, where));
    } else if (what != NULL) {
        problem = xcalloc(1, sizeof(*problem));
        problem->what = xstrdup(what);
        problem->round = model->round;
        map_put(model->problems, where, problem);
    } else {
        return false;
    }
    model->changed = true;
    return true;
}

json_t *model_list_problems(struct model *model)
{
    LOCK_SCOPE(&model->lock);
    json_t *list = json_array();
    const char *where = NULL;
    void *item = NULL;

    for (size_t pos = 0; (where = map_next(model->problems, &pos, &item)) != NULL;)
        json_array_append_new(
            list, obj_pack("{s:s, s:s}", "where", where, "what", ((struct problem *)item)->what));
    return list;
}

static int compare_names(const void *a, const void *b)
{
    const struct row *const *x = a, *const *y = b;

    return strcmp(row_name(*x), row_name(*y));
}

static int compare_ids(const void *a, const void *b)
{
    const struct row *const *x = a, *const *y = b;

    return strcmp((*x)->id, (*y)->id);
}

static void collect_rows(const struct table *table, struct row_list *rows)
{
    void *item = NULL;

    for (size_t pos = 0; map_next(table->rows, &pos, &item) != NULL;)
        row_list_push(rows, item);
}

/* The names in order, made anew after changes: one sort serves all lookups until the next change.
 */
static void sort_names(struct table *table)
{
    if (!table->names_stale)
        return;
    row_list_reset(&table->by_name);
    collect_rows(table, &table->by_name);
    if (table->by_name.len > 0)
        qsort(table->by_name.ptr, table->by_name.len, sizeof(struct row *), compare_names);
    table->names_stale = false;
}

/* The only row called NAME.  With slashes: the only one whose path fits, of those with the last
 * part as their name, unless the whole is a name already. */
static int find_named(struct table *table, const char *kind, const char *name, struct row **out,
                      struct error **err)
{
    const char *wanted[] = {name, strrchr(name, '/') ? strrchr(name, '/') + 1 : NULL};

    sort_names(table);
    for (size_t i = 0; i < ARRAY_SIZE(wanted) && wanted[i] != NULL && *out == NULL; i++) {
        size_t low = 0, high = table->by_name.len;

        while (low < high) {
            size_t middle = low + (high - low) / 2;

            if (strcmp(row_name(table->by_name.ptr[middle]), wanted[i]) < 0)
                low = middle + 1;
            else
                high = middle;
        }
        for (; low < table->by_name.len; low++) {
            struct row *row = table->by_name.ptr[low];

            if (!str_eq(row_name(row), wanted[i]))
                break;
            if (i > 0 && !path_ends_with(obj_str(row->served, "path", ""), name))
                continue;
            if (*out != NULL)
                return error_set(err, ERROR_INVALID,
                                 "several objects of kind %s are called \"%s\": use the id", kind,
                                 name);
            *out = row;
        }
    }
    return 0;
}

int model_find(struct model *model, const char *kind, const char *id, const char *name,
               json_t **out, struct error **err)
{
    LOCK_SCOPE(&model->lock);
    struct table *table = find_table(model, kind);
    struct row *row = NULL;

    if (table != NULL && !str_is_empty(id))
        row = map_find(table->rows, id);
    else if (table != NULL && !str_is_empty(name) && find_named(table, kind, name, &row, err) == -1)
        return -1;
    *out = row ? json_incref(row->served) : NULL;
    return 0;
}

/* With the lock held. */
static json_t *list_rows(struct model *model, const char *kind)
{
    struct table *table = find_table(model, kind);
    struct row_list rows = {0};
    json_t *list = json_array();

    if (table == NULL)
        return list;
    collect_rows(table, &rows);
    if (rows.len > 0)
        qsort(rows.ptr, rows.len, sizeof(*rows.ptr), compare_ids);
    for (size_t i = 0; i < rows.len; i++)
        json_array_append(list, rows.ptr[i]->served);
    row_list_reset(&rows);
    return list;
}

json_t *model_list(struct model *model, const char *kind)
{
    LOCK_SCOPE(&model->lock);

    return list_rows(model, kind);
}

struct feed_reader *model_watch(struct model *model, const char *kind, json_t **objects)
{
    LOCK_SCOPE(&model->lock);
    struct feed_reader *reader = feed_subscribe(model->feed, kind);

    if (reader != NULL)
        *objects = list_rows(model, kind);
    return reader;
}

void model_end_watches(struct model *model)
{
    feed_end(model->feed);
}

size_t model_count(struct model *model, const char *kind)
{
    LOCK_SCOPE(&model->lock);
    struct table *table = find_table(model, kind);

    return table ? map_count(table->rows) : 0;
}
