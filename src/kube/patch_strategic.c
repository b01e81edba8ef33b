/* Strategic merge patch: like a merge patch, but lists whose schema has a merge key are merged item
 * by item, and directives say what cannot be said otherwise.
 *
 *     {"$patch": "delete", "name": "x"}      in such a list: drop that item
 *     {"$patch": "replace", ...}             in a map or list: put in place of what is there
 *     "$setElementOrder/ports": [...]        the order of the items afterwards
 *     "$deleteFromPrimitiveList/x": [...]    drop these values of a list of scalars
 *     "$retainKeys": [...]                   drop all other members
 */
#include "kube/patch.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "data/obj.h"
#include "kube/schema.h"

#include <string.h>

static const char order_prefix[] = "$setElementOrder/";
static const char delete_prefix[] = "$deleteFromPrimitiveList/";

static json_t *merge_map(const struct schema *schema, const json_t *target, const json_t *patch,
                         struct error **err);

static json_t *key_of(const json_t *item, const char *merge_key)
{
    return merge_key != NULL ? json_object_get(item, merge_key) : (json_t *)(uintptr_t)item;
}

/* The place in LIST of the item with the same key as ITEM; -1 if none. */
static long find_item(const json_t *list, const json_t *item, const char *merge_key)
{
    const json_t *key = key_of(item, merge_key);
    size_t i;
    json_t *candidate;

    if (key == NULL)
        return -1;
    json_array_foreach(list, i, candidate)
    {
        const json_t *other = key_of(candidate, merge_key);

        if (other != NULL && obj_eq(key, other))
            return (long)i;
    }
    return -1;
}

/* A value that is new to the target: nulls and directives in it mean nothing. */
static json_t *plain_copy(const json_t *value)
{
    const char *key;
    size_t i;
    json_t *item, *copy;

    if (json_is_array(value)) {
        copy = json_array();
        json_array_foreach(value, i, item) if (!str_eq(obj_str(item, "$patch", NULL), "delete"))
            json_array_append_new(copy, plain_copy(item));
        return copy;
    }
    if (!json_is_object(value))
        return obj_copy(value);
    copy = json_object();
    json_object_foreach((json_t *)(uintptr_t)value, key,
                        item) if (key[0] != '$' && !json_is_null(item))
        json_object_set_new(copy, key, plain_copy(item));
    return copy;
}

static json_t *merge_items(const struct schema *schema, const json_t *target, const json_t *patch,
                           const char *merge_key, struct error **err)
{
    json_auto_t *merged = json_copy((json_t *)(uintptr_t)target);
    size_t i;
    json_t *item;

    json_array_foreach(patch, i, item)
    {
        const char *directive = obj_str(item, "$patch", NULL);

        if (str_eq(directive, "replace") && json_object_size(item) == 1) {
            json_array_clear(merged); /* the whole list is what the other items say */
            continue;
        }
        if (key_of(item, merge_key) == NULL) {
            error_set(err, ERROR_INVALID, "map: %s does not contain declared merge key: %s",
                      json_is_object(item) ? "an item" : "a value", merge_key);
            return NULL;
        }

        long place = find_item(merged, item, merge_key);

        if (str_eq(directive, "delete")) {
            if (place >= 0)
                json_array_remove(merged, (size_t)place);
        } else if (place < 0) {
            json_array_append_new(merged, plain_copy(item));
        } else {
            json_t *value =
                merge_map(schema_items(schema), json_array_get(merged, (size_t)place), item, err);

            if (value == NULL)
                return NULL;
            json_array_set_new(merged, (size_t)place, value);
        }
    }
    return steal(&merged);
}

static json_t *merge_scalars(const json_t *target, const json_t *patch)
{
    json_t *merged = json_copy((json_t *)(uintptr_t)target), *item;
    size_t i;

    json_array_foreach(patch, i, item) if (find_item(merged, item, NULL) < 0)
        json_array_append(merged, item);
    return merged;
}

static json_t *merge_list(const struct schema *schema, const json_t *target, const json_t *patch,
                          struct error **err)
{
    if (!schema_patch_has(schema, "merge") || !json_is_array(target))
        return plain_copy(patch);
    if (schema_patch_key(schema) == NULL)
        return merge_scalars(target, patch);
    return merge_items(schema, target, patch, schema_patch_key(schema), err);
}

static long place_in(const json_t *order, const json_t *item, const char *merge_key)
{
    const json_t *key = key_of(item, merge_key);
    size_t i;
    json_t *candidate;

    json_array_foreach(order, i, candidate)
    {
        const json_t *other = json_is_object(candidate) ? key_of(candidate, merge_key) : candidate;

        if (key != NULL && other != NULL && obj_eq(key, other))
            return (long)i;
    }
    return -1;
}

/* Puts the items named by ORDER into that order, and the others between them as they were in
 * BEFORE: each stands in front of the first named one that it stood in front of. */
static json_t *sort_list(const json_t *list, const json_t *order, const json_t *before,
                         const char *merge_key)
{
    json_auto_t *named = json_array(), *others = json_array();
    json_t *sorted = json_array(), *item;
    size_t i, j, o = 0;

    json_array_foreach(order, i, item)
    {
        json_t *candidate;

        json_array_foreach(list, j, candidate) if (place_in(order, candidate, merge_key) == (long)i)
            json_array_append(named, candidate);
    }
    json_array_foreach(list, i, item) if (place_in(order, item, merge_key) < 0)
        json_array_append(others, item);
    json_array_foreach(named, i, item)
    {
        long here = find_item(before, item, merge_key);

        for (; o < json_array_size(others); o++) {
            long there = find_item(before, json_array_get(others, o), merge_key);

            if (here < 0 || there < 0 || there > here)
                break;
            json_array_append(sorted, json_array_get(others, o));
        }
        json_array_append(sorted, item);
    }
    for (; o < json_array_size(others); o++)
        json_array_append(sorted, json_array_get(others, o));
    return sorted;
}

static void apply_orders(const struct schema *schema, json_t *merged, const json_t *target,
                         const json_t *patch)
{
    const char *key;
    json_t *order;

    json_object_foreach((json_t *)(uintptr_t)patch, key, order)
    {
        if (!str_starts_with(key, order_prefix))
            continue;

        const char *name = key + strlen(order_prefix);
        json_t *list = json_object_get(merged, name);

        if (json_is_array(list) && json_is_array(order))
            json_object_set_new(merged, name,
                                sort_list(list, order, json_object_get(target, name),
                                          schema_patch_key(schema_field(schema, name))));
    }
}

static void delete_values(json_t *merged, const char *name, const json_t *values)
{
    json_t *list = json_object_get(merged, name);
    json_t *kept = json_array(), *item;
    size_t i;

    json_array_foreach(list, i, item) if (find_item(values, item, NULL) < 0)
        json_array_append(kept, item);
    if (json_is_array(list))
        json_object_set(merged, name, kept);
    json_decref(kept);
}

static void retain_keys(json_t *merged, const json_t *keys)
{
    const char *key;
    json_t *value;
    void *next;

    json_object_foreach_safe(merged, next, key, value)
    {
        json_auto_t *name = json_string(key);

        if (find_item(keys, name, NULL) < 0)
            json_object_del(merged, key);
    }
}

static int merge_member(const struct schema *schema, json_t *merged, const char *key,
                        const json_t *value, struct error **err)
{
    const struct schema *field = schema_field(schema, key);
    json_t *there = json_object_get(merged, key), *result;

    if (json_is_null(value)) {
        json_object_del(merged, key);
        return 0;
    }
    if (there == NULL)
        result = plain_copy(value);
    else if (json_is_object(value) && json_is_object(there) && !schema_patch_has(field, "replace"))
        result = merge_map(field, there, value, err);
    else if (json_is_array(value))
        result = merge_list(field, there, value, err);
    else
        result = plain_copy(value);
    if (result == NULL)
        return -1;
    json_object_set_new(merged, key, result);
    return 0;
}

static json_t *merge_map(const struct schema *schema, const json_t *target, const json_t *patch,
                         struct error **err)
{
    const char *directive = obj_str(patch, "$patch", "merge"), *key;
    json_t *value;

    if (str_eq(directive, "replace"))
        return plain_copy(patch);
    if (str_eq(directive, "delete"))
        return json_object();
    if (!str_eq(directive, "merge")) {
        error_set(err, ERROR_INVALID, "unknown patch type \"%s\"", directive);
        return NULL;
    }

    json_auto_t *merged = json_copy((json_t *)(uintptr_t)target);

    json_object_foreach((json_t *)(uintptr_t)patch, key,
                        value) if (str_starts_with(key, delete_prefix))
        delete_values(merged, key + strlen(delete_prefix), value);
    json_object_foreach((json_t *)(uintptr_t)patch, key,
                        value) if (key[0] != '$' &&
                                   merge_member(schema, merged, key, value, err) == -1) return NULL;
    apply_orders(schema, merged, target, patch);
    if (json_is_array(json_object_get(patch, "$retainKeys")))
        retain_keys(merged, json_object_get(patch, "$retainKeys"));
    return steal(&merged);
}

int patch_strategic(const struct schema *schema, const json_t *target, const json_t *patch,
                    json_t **out, struct error **err)
{
    if (!json_is_object(patch) || !json_is_object(target)) {
        error_set(err, ERROR_INVALID, "a strategic merge patch is not an object");
        return error_hint(err, "malformed");
    }

    json_t *merged = merge_map(schema, target, patch, err);

    if (merged == NULL)
        return -1;

    /* parts are shared with the target so far */
    *out = obj_copy(merged);
    json_decref(merged);
    return 0;
}
