/* While staging, `conditions` holds what is durable and what was staged so far, and what was there
 * before lies beside it under PREVIOUS, a key that conditions_end removes again.  So lookups see
 * staged entries only, and an entry that comes back unchanged gets its old time back. */
#include "kube/conditions.h"

#include "base/error.h"
#include "base/text.h"
#include "base/time.h"
#include "data/obj.h"

#include <assert.h>
#include <string.h>

#define PREVIOUS "conditionsBeforeStaging"

static const char *const category_names[] = {
    [CONDITION_CRITICAL] = "Critical", [CONDITION_ERROR] = "Error",       [CONDITION_WARN] = "Warn",
    [CONDITION_REQUIRED] = "Required", [CONDITION_ADVISORY] = "Advisory",
};

static json_t *list_of(json_t *status)
{
    json_t *list = obj_arr(status, "conditions");

    if (list == NULL) {
        list = json_array();
        obj_take(status, "conditions", list);
    }
    return list;
}

static bool is_entry(const json_t *entry, const char *type, const char *reason)
{
    return str_eq(obj_str(entry, "type", ""), type) &&
           str_eq(obj_str(entry, "reason", ""), reason != NULL ? reason : "");
}

static json_t *find_entry(const json_t *list, const char *type, const char *reason)
{
    size_t i;
    json_t *entry;

    json_array_foreach(list, i, entry) if (is_entry(entry, type, reason)) return entry;
    return NULL;
}

static void put_time_now(json_t *entry)
{
    char now[TIME_TEXT_SIZE];

    obj_put_str(entry, "lastTransitionTime", time_format(time_now_ms(), now));
}

/* Equal in all but the time. */
static bool is_same(const json_t *a, const json_t *b)
{
    json_auto_t *x = obj_copy(a);
    json_auto_t *y = obj_copy(b);

    obj_del(x, "lastTransitionTime");
    obj_del(y, "lastTransitionTime");
    return obj_eq(x, y);
}

void conditions_begin(json_t *status)
{
    json_t *before = list_of(status);
    json_t *kept = json_array();
    size_t i;
    json_t *entry;

    json_array_foreach(before, i, entry) if (obj_bool(entry, "durable", false))
        json_array_append_new(kept, obj_copy(entry));
    json_object_set(status, PREVIOUS, before);
    obj_take(status, "conditions", kept);
}

void conditions_end(json_t *status)
{
    json_t *list = list_of(status);
    size_t i;
    json_t *entry;

    json_array_foreach(list, i, entry)
    {
        const json_t *old = find_entry(obj_arr(status, PREVIOUS), obj_str(entry, "type", ""),
                                       obj_str(entry, "reason", ""));
        if (old != NULL && is_same(old, entry))
            obj_put_str(entry, "lastTransitionTime", obj_str(old, "lastTransitionTime", NULL));
    }
    obj_del(status, PREVIOUS);
    if (json_array_size(list) == 0)
        obj_del(status, "conditions");
}

void conditions_abort(json_t *status)
{
    json_t *before = json_incref(obj_arr(status, PREVIOUS));

    if (before == NULL)
        return;
    obj_del(status, PREVIOUS);
    obj_take(status, "conditions", before);
    if (json_array_size(before) == 0)
        obj_del(status, "conditions");
}

static void add_item(json_t *entry, const char *item)
{
    json_t *items = obj_arr(entry, "items");
    size_t i;
    json_t *have;

    json_array_foreach(items, i, have) if (str_eq(json_string_value(have), item)) return;
    obj_put_str(entry, "items[]", item);
}

/* What contradicts the new entry goes: the same type with the opposite status. */
static void drop_opposite(json_t *list, const struct condition *condition)
{
    const char *opposite = condition->is_false ? "True" : "False";

    for (size_t i = json_array_size(list); i-- > 0;) {
        const json_t *entry = json_array_get(list, i);
        if (str_eq(obj_str(entry, "type", ""), condition->type) &&
            str_eq(obj_str(entry, "status", ""), opposite))
            json_array_remove(list, i);
    }
}

static json_t *make_entry(const struct condition *condition)
{
    json_t *entry = json_object();

    obj_put_str(entry, "type", condition->type);
    obj_put_str(entry, "status", condition->is_false ? "False" : "True");
    obj_put_str(entry, "category", category_names[condition->category]);
    obj_put_str(entry, "reason", condition->reason);
    obj_put_str(entry, "message", condition->message);
    obj_put_str(entry, "suggestion", condition->suggestion);
    if (condition->durable)
        obj_put_bool(entry, "durable", true);
    return entry;
}

/* Equal in all that make_entry puts. */
static bool is_about_same(const json_t *old, const struct condition *condition)
{
    return str_eq(obj_str(old, "status", ""), condition->is_false ? "False" : "True") &&
           str_eq(obj_str(old, "category", ""), category_names[condition->category]) &&
           str_eq(obj_str(old, "message", NULL), condition->message) &&
           str_eq(obj_str(old, "suggestion", NULL), condition->suggestion) &&
           obj_bool(old, "durable", false) == condition->durable;
}

/* Thousands of items come one by one: what is there already is not looked at again but for the
 * same item. */
static void add_new_items(json_t *old, const struct condition *condition)
{
    size_t before = obj_count(old, "items");

    for (const char *const *p = condition->items; p != NULL && *p != NULL; p++)
        add_item(old, *p);
    if (obj_count(old, "items") != before)
        put_time_now(old);
}

void conditions_set(json_t *status, const struct condition *condition)
{
    json_t *list = list_of(status);
    size_t i;
    json_t *item;

    drop_opposite(list, condition);

    json_t *old = find_entry(list, condition->type, condition->reason);
    if (old != NULL && is_about_same(old, condition)) {
        add_new_items(old, condition);
        return;
    }
    json_t *entry = make_entry(condition);
    json_array_foreach(obj_arr(old, "items"), i, item) add_item(entry, json_string_value(item));
    for (const char *const *p = condition->items; p != NULL && *p != NULL; p++)
        add_item(entry, *p);

    if (old == NULL) {
        put_time_now(entry);
        json_array_append_new(list, entry);
        return;
    }
    put_time_now(entry);
    json_object_clear(old);
    json_object_update(old, entry);
    json_decref(entry);
}

void conditions_add_item(json_t *status, const char *type, const char *reason, const char *item)
{
    json_t *entry = find_entry(obj_arr(status, "conditions"), type, reason);

    assert(entry != NULL && "conditions_set comes first");
    size_t before = obj_count(entry, "items");
    add_item(entry, item);
    if (obj_count(entry, "items") != before)
        put_time_now(entry);
}

void conditions_delete(json_t *status, const char *type)
{
    json_t *list = obj_arr(status, "conditions");

    for (size_t i = json_array_size(list); i-- > 0;)
        if (str_eq(obj_str(json_array_get(list, i), "type", ""), type))
            json_array_remove(list, i);
}

const json_t *conditions_find(const json_t *status, const char *type)
{
    const json_t *list = obj_arr(status, "conditions");

    for (size_t i = 0; i < json_array_size(list); i++)
        if (str_eq(obj_str(json_array_get(list, i), "type", NULL), type))
            return json_array_get(list, i);
    return NULL;
}

bool conditions_is_true(const json_t *status, const char *type)
{
    size_t i;
    json_t *entry;

    json_array_foreach(obj_arr(status, "conditions"), i,
                       entry) if (str_eq(obj_str(entry, "type", ""), type) &&
                                  str_eq(obj_str(entry, "status", ""), "True")) return true;
    return false;
}

bool conditions_is_blocked(const json_t *status)
{
    size_t i;
    json_t *entry;

    json_array_foreach(obj_arr(status, "conditions"), i, entry)
    {
        const char *category = obj_str(entry, "category", "");
        if (str_eq(obj_str(entry, "status", ""), "True") &&
            (str_eq(category, "Critical") || str_eq(category, "Error")))
            return true;
    }
    return false;
}
