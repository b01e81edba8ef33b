/* Server-side apply, as Kubernetes' structured merge has it, for one version of a kind:
 *
 *   merge     what the manager wants is laid over the live object;
 *   prune     what it wanted last time, wants no more, and nobody else owns goes away;
 *   conflicts what now changes and another manager owns is refused, or taken over by force;
 *   owners    the manager owns exactly what it wants; others lose what changed or is gone.
 */
#include "kube/apply.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/time.h"
#include "base/vector.h"
#include "data/obj.h"
#include "kube/fields.h"
#include "kube/schema.h"

#include <stdlib.h>
#include <string.h>

enum {
    MAX_UPDATERS = 10, /* older ones become one */
    MAX_MANAGERS = 1000,
    PATH_MAX_BYTES = 64 * 1024,
};

/* An entry of managedFields, taken apart. */
struct manager {
    json_t *entry; /* a copy without fieldsV1, whose texts are shared */
    json_t *set;
    bool is_apply;
    bool changed;
};

DEFINE_VECTOR(manager_list, struct manager)

static void managers_reset(struct manager_list *list)
{
    for (size_t i = 0; i < list->len; i++) {
        json_decref(list->ptr[i].entry);
        json_decref(list->ptr[i].set);
    }
    manager_list_reset(list);
}

DEFINE_CLEANUP_IN_PLACE(managers, struct manager_list, managers_reset)

static void managers_read(const json_t *object, struct manager_list *list)
{
    json_t *entry;
    size_t i;

    json_array_foreach(obj_arr(object, "metadata.managedFields"), i, entry)
    {
        struct manager manager = {.is_apply = str_eq(obj_str(entry, "operation", ""), "Apply")};

        if (obj_obj(entry, "fieldsV1") == NULL || list->len >= MAX_MANAGERS)
            continue;
        manager.set = fields_parse(obj_obj(entry, "fieldsV1"));
        manager.entry = json_copy(entry);
        json_object_del(manager.entry, "fieldsV1");
        manager_list_push(list, manager);
    }
}

static bool is_manager(const struct manager *manager, const struct apply_as *as, bool is_apply)
{
    return manager->is_apply == is_apply &&
           str_eq(obj_str(manager->entry, "manager", ""), as->manager) &&
           str_eq(obj_str(manager->entry, "apiVersion", ""), as->api_version) &&
           str_eq(obj_str(manager->entry, "subresource", NULL), as->subresource);
}

/* The place of the manager's entry, which is made if there is none. */
static size_t manager_need(struct manager_list *list, const struct apply_as *as, bool is_apply)
{
    for (size_t i = 0; i < list->len; i++)
        if (is_manager(&list->ptr[i], as, is_apply))
            return i;

    struct manager manager = {.set = json_object(), .is_apply = is_apply};

    manager.entry = obj_pack("{s:s, s:s, s:s, s:s}", "manager", as->manager, "operation",
                             is_apply ? "Apply" : "Update", "apiVersion", as->api_version,
                             "fieldsType", "FieldsV1");
    obj_put_str(manager.entry, "subresource", as->subresource);
    manager_list_push(list, manager);
    return list->len - 1;
}

static int by_operation_and_time(const void *a, const void *b)
{
    const struct manager *x = a, *y = b;

    if (x->is_apply != y->is_apply)
        return x->is_apply ? -1 : 1;

    int order = strcmp(obj_str(x->entry, "time", ""), obj_str(y->entry, "time", ""));

    return order != 0 ? order
                      : strcmp(obj_str(x->entry, "manager", ""), obj_str(y->entry, "manager", ""));
}

/* Makes the oldest updaters one, so that an object written by ever new names stays small. */
static void managers_bound(struct manager_list *list)
{
    size_t updaters = 0, first = list->len;

    for (size_t i = 0; i < list->len; i++)
        if (!list->ptr[i].is_apply) {
            first = i < first ? i : first;
            updaters++;
        }
    for (; updaters > MAX_UPDATERS; updaters--) {
        struct manager *into = &list->ptr[first], *gone = &list->ptr[first + 1];

        obj_put_str(into->entry, "manager", "ancient-changes");
        json_object_del(into->entry, "subresource");
        fields_add(into->set, gone->set);
        json_decref(gone->entry);
        json_decref(gone->set);
        memmove(gone, gone + 1, (list->len - first - 2) * sizeof(*gone));
        list->len--;
    }
}

static void managers_write(struct manager_list *list, json_t *object, int64_t now_ms)
{
    char now[TIME_TEXT_SIZE];
    json_t *entries = json_array();

    time_format(now_ms, now);
    for (size_t i = 0; i < list->len; i++)
        if (list->ptr[i].changed)
            obj_put_str(list->ptr[i].entry, "time", now);
    if (list->len > 1)
        qsort(list->ptr, list->len, sizeof(*list->ptr), by_operation_and_time);
    managers_bound(list);
    for (size_t i = 0; i < list->len; i++) {
        json_t *entry = list->ptr[i].entry;

        if (fields_is_empty(list->ptr[i].set))
            continue;
        json_object_set_new(entry, "fieldsV1", fields_format(list->ptr[i].set));
        json_array_append(entries, entry);
    }
    if (json_array_size(entries) > 0) {
        obj_take(object, "metadata.managedFields", entries);
    } else {
        json_decref(entries);
        obj_del(object, "metadata.managedFields");
    }
}

/* --- merge --- */

static json_t *merge(const struct schema *schema, const json_t *live, const json_t *config);

static json_t *merge_maps(const struct schema *schema, const json_t *live, const json_t *config)
{
    json_t *merged = json_copy((json_t *)(uintptr_t)live), *value;
    const char *key;

    json_object_foreach((json_t *)(uintptr_t)config, key, value) json_object_set_new(
        merged, key, merge(schema_field(schema, key), json_object_get(live, key), value));
    return merged;
}

static json_t *merge_lists(const struct schema *schema, const json_t *live, const json_t *config)
{
    json_auto_t *wanted = json_object(), *there = json_object();
    json_t *merged = json_array(), *item;
    size_t i;

    json_array_foreach(config, i, item)
    {
        CLEANUP(str) char *name = fields_item_name(schema, item);

        json_object_set(wanted, name, item);
    }
    json_array_foreach(live, i, item)
    {
        CLEANUP(str) char *name = fields_item_name(schema, item);
        json_t *want = json_object_get(wanted, name);

        json_object_set(there, name, item);
        if (want == NULL)
            json_array_append(merged, item);
        else
            json_array_append_new(merged, merge(schema_items(schema), item, want));
    }
    json_array_foreach(config, i, item)
    {
        CLEANUP(str) char *name = fields_item_name(schema, item);

        if (json_object_get(there, name) == NULL)
            json_array_append(merged, item);
    }
    return merged;
}

/* The result shares parts with both. */
static json_t *merge(const struct schema *schema, const json_t *live, const json_t *config)
{
    if (live != NULL && json_typeof(live) == json_typeof(config) &&
        schema_merge(schema, config) != SCHEMA_MERGE_ATOMIC)
        return json_is_object(config) ? merge_maps(schema, live, config)
                                      : merge_lists(schema, live, config);
    return json_incref((json_t *)(uintptr_t)config);
}

/* --- prune --- */

/* Takes from VALUE, in place, what is in GONE (a set) but not in KEPT.  True if the value itself
 * is to go. */
static bool prune(const struct schema *schema, json_t *value, const json_t *gone,
                  const json_t *kept);

static void prune_map(const struct schema *schema, json_t *map, const json_t *gone,
                      const json_t *kept)
{
    const char *key;
    json_t *member;
    void *next;

    json_object_foreach_safe(map, next, key, member)
    {
        CLEANUP(str) char *name = xasprintf("f:%s", key);
        json_t *child = json_object_get(gone, name);

        if (child != NULL &&
            prune(schema_field(schema, key), member, child, json_object_get(kept, name)))
            json_object_del(map, key);
    }
}

static void prune_list(const struct schema *schema, json_t *list, const json_t *gone,
                       const json_t *kept)
{
    for (size_t i = 0; i < json_array_size(list);) {
        json_t *item = json_array_get(list, i);
        CLEANUP(str) char *name = fields_item_name(schema, item);
        json_t *child = json_object_get(gone, name);

        if (child != NULL && prune(schema_items(schema), item, child, json_object_get(kept, name)))
            json_array_remove(list, i);
        else
            i++;
    }
}

static bool prune(const struct schema *schema, json_t *value, const json_t *gone,
                  const json_t *kept)
{
    bool is_deep = schema_merge(schema, value) != SCHEMA_MERGE_ATOMIC;
    size_t before = json_object_size(value) + json_array_size(value);

    if (is_deep && json_is_object(value))
        prune_map(schema, value, gone, kept);
    else if (is_deep)
        prune_list(schema, value, gone, kept);
    if (kept != NULL)
        return false;

    bool emptied = before > 0 && json_object_size(value) + json_array_size(value) == 0;

    return emptied || json_object_get(gone, ".") != NULL;
}

/* --- conflicts --- */

struct conflict_report {
    struct cause_list *causes;
    struct buf *text;
    const char *who;
    size_t count;
};

static void see_conflict(void *arg, const char *path)
{
    struct conflict_report *report = arg;

    cause_add(report->causes, CAUSE_CONFLICT, path, NULL, "conflict with %s", report->who);
    buf_printf(report->text, "\n- %s", path);
    report->count++;
}

static char *describe(const struct manager *manager)
{
    struct buf text = BUF_INIT(4096);
    const char *subresource = obj_str(manager->entry, "subresource", NULL);

    buf_printf(&text, "\"%s\"", obj_str(manager->entry, "manager", ""));
    if (subresource != NULL)
        buf_printf(&text, " with subresource \"%s\"", subresource);
    if (!manager->is_apply)
        buf_printf(&text, " using %s", obj_str(manager->entry, "apiVersion", ""));
    return buf_take(&text);
}

/* Takes what changed from the others, or reports that they own it. */
static int settle_conflicts(struct manager_list *managers, size_t self, const json_t *changed,
                            bool force, struct cause_list *conflicts, struct error **err)
{
    CLEANUP(buf) struct buf text = BUF_INIT(PATH_MAX_BYTES);
    size_t total = 0;

    for (size_t i = 0; i < managers->len; i++) {
        json_auto_t *both = fields_intersect(managers->ptr[i].set, changed);

        if (i == self || fields_is_empty(both))
            continue;
        if (force) {
            fields_subtract(managers->ptr[i].set, both);
            managers->ptr[i].changed = true;
            continue;
        }

        CLEANUP(str) char *who = describe(&managers->ptr[i]);
        CLEANUP(buf) struct buf list = BUF_INIT(PATH_MAX_BYTES);
        CLEANUP(buf) struct buf path = BUF_INIT(PATH_MAX_BYTES);
        struct conflict_report report = {conflicts, &list, who, 0};

        fields_each(both, &path, see_conflict, &report);
        total += report.count;
        if (text.len > 0)
            buf_add_char(&text, '\n');
        if (report.count == 1)
            buf_printf(&text, "conflict with %s: %s", who, list.ptr + strlen("\n- "));
        else
            buf_printf(&text, "conflicts with %s:%s", who, list.ptr != NULL ? list.ptr : "");
    }
    if (total == 0)
        return 0;
    return error_set(err, ERROR_CONFLICT, "Apply failed with %zu conflict%s: %s", total,
                     total == 1 ? "" : "s", text.ptr);
}

/* --- the two ways to write --- */

static void lose_removed(struct manager_list *managers, const json_t *removed)
{
    for (size_t i = 0; i < managers->len; i++) {
        json_auto_t *both = fields_intersect(managers->ptr[i].set, removed);

        if (fields_is_empty(both))
            continue;
        fields_subtract(managers->ptr[i].set, both);
        managers->ptr[i].changed = true;
    }
}

/* The result shares all other parts with OBJECT: it is for reading. */
static json_t *without_managed_fields(const json_t *object)
{
    json_t *copy = json_copy((json_t *)(uintptr_t)object);
    json_t *metadata = json_copy(json_object_get(object, "metadata"));

    if (metadata != NULL) {
        json_object_del(metadata, "managedFields");
        json_object_set_new(copy, "metadata", metadata);
    }
    return copy;
}

int apply_config(const struct schema *schema, const json_t *live, const json_t *config,
                 const struct apply_as *as, json_t **out, struct cause_list *conflicts,
                 struct error **err)
{
    CLEANUP(managers) struct manager_list managers = {0};
    json_auto_t *nothing = json_object();
    json_auto_t *before = without_managed_fields(live != NULL ? live : nothing);
    json_auto_t *wanted = without_managed_fields(config);
    json_auto_t *shared = merge(schema, before, wanted);
    json_auto_t *merged = obj_copy(shared);
    json_auto_t *set = fields_of(schema, wanted, false);
    json_auto_t *others = json_object();
    json_t *changed = NULL, *removed = NULL;

    fields_strip(set);
    if (live != NULL)
        managers_read(live, &managers);

    size_t self = manager_need(&managers, as, true);
    json_auto_t *last = steal(&managers.ptr[self].set);

    managers.ptr[self].set = json_incref(set);
    managers.ptr[self].changed = !obj_eq(last, set);
    for (size_t i = 0; i < managers.len; i++)
        fields_add(others, managers.ptr[i].set);
    prune_map(schema, merged, last, others);

    fields_compare(schema, before, merged, &changed, &removed);
    fields_strip(changed);
    fields_strip(removed);

    int result = settle_conflicts(&managers, self, changed, as->force, conflicts, err);

    if (result == 0) {
        lose_removed(&managers, removed);
        managers_write(&managers, merged, as->now_ms);
        *out = steal(&merged);
    }
    json_decref(changed);
    json_decref(removed);
    return result;
}

static bool is_reset(const json_t *object)
{
    json_t *list = obj_arr(object, "metadata.managedFields");

    return json_array_size(list) == 1 && json_object_size(json_array_get(list, 0)) == 0;
}

/* SELF, a place in MANAGERS, owns what changed, and nobody else does. */
static void own_changed(struct manager_list *managers, size_t self, const json_t *changed)
{
    for (size_t i = 0; i < managers->len; i++) {
        json_auto_t *both = fields_intersect(managers->ptr[i].set, changed);

        if (i == self || fields_is_empty(both))
            continue;
        fields_subtract(managers->ptr[i].set, both);
        managers->ptr[i].changed = true;
    }
    fields_add(managers->ptr[self].set, changed);
    managers->ptr[self].changed = true;
}

void apply_track(const struct schema *schema, const json_t *old, json_t *object,
                 const struct apply_as *as)
{
    CLEANUP(managers) struct manager_list managers = {0};
    json_auto_t *after = without_managed_fields(object);
    json_t *changed = NULL, *removed = NULL;
    bool reset = is_reset(object);

    if (!reset)
        managers_read(object, &managers);
    if (!reset && managers.len == 0 && old != NULL)
        managers_read(old, &managers);
    if (old == NULL) {
        changed = fields_of(schema, after, true);
    } else {
        json_auto_t *before = without_managed_fields(old);
        fields_compare(schema, before, after, &changed, &removed);
        fields_strip(removed);
        lose_removed(&managers, removed);
    }
    fields_strip(changed);
    if (!fields_is_empty(changed) && !reset) {
        size_t self = manager_need(&managers, as, false);
        if (managers.len == 1 && fields_is_empty(managers.ptr[self].set)) {
            json_object_update(managers.ptr[self].set, changed);
            managers.ptr[self].changed = true;
        } else {
            own_changed(&managers, self, changed);
        }
    }
    managers_write(&managers, object, as->now_ms);
    json_decref(changed);
    json_decref(removed);
}
