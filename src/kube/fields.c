#include "kube/fields.h"

#include "base/array.h"
#include "base/mem.h"
#include "base/text.h"
#include "data/obj.h"
#include "kube/schema.h"

#include <stdlib.h>
#include <string.h>

enum { ITEM_NAME_MAX = 64 * 1024 };

static void put_self(json_t *node)
{
    json_object_set_new(node, ".", json_object());
}

static json_t *child_of(json_t *node, const char *name)
{
    json_t *child = json_object_get(node, name);

    if (child == NULL) {
        child = json_object();
        json_object_set_new(node, name, child);
    }
    return child;
}

static json_t *parse_node(const json_t *wire, bool is_root)
{
    json_t *node = json_object(), *value;
    const char *name;

    json_object_foreach((json_t *)(uintptr_t)wire, name, value) if (strcmp(name, ".") != 0)
        json_object_set_new(node, name, parse_node(value, false));
    if (!is_root && (json_object_size(wire) == 0 || json_object_get(wire, ".") != NULL))
        put_self(node);
    return node;
}

json_t *fields_parse(const json_t *wire)
{
    return parse_node(json_is_object(wire) ? wire : NULL, true);
}

json_t *fields_format(const json_t *set)
{
    json_t *node = json_object(), *value;
    const char *name;

    json_object_foreach((json_t *)(uintptr_t)set, name,
                        value) if (strcmp(name, ".") != 0 || json_object_size(set) > 1)
        json_object_set_new(node, name, fields_format(value));
    return node;
}

char *fields_item_name(const struct schema *list, const json_t *item)
{
    struct buf text = BUF_INIT(ITEM_NAME_MAX);
    json_auto_t *keys = NULL;

    if (schema_map_key(list, 0) != NULL) {
        keys = json_object();
        for (size_t i = 0; schema_map_key(list, i) != NULL; i++) {
            const char *name = schema_map_key(list, i);
            const json_t *key = json_object_get(item, name);

            if (key == NULL)
                key = schema_field_default(schema_items(list), name);
            if (key != NULL)
                json_object_set_new(keys, name, obj_copy(key));
        }
    }

    char *json =
        json_dumps(keys != NULL ? keys : item, JSON_ENCODE_ANY | JSON_COMPACT | JSON_SORT_KEYS);

    buf_add(&text, keys != NULL ? "k:" : "v:");
    buf_add(&text, json != NULL ? json : "");
    free(json);
    return buf_take(&text);
}

static void collect(json_t *node, const struct schema *schema, const json_t *value, bool with_maps);

static void collect_list(json_t *node, const struct schema *schema, const json_t *list,
                         bool with_maps)
{
    size_t i;
    json_t *item;

    json_array_foreach(list, i, item)
    {
        CLEANUP(str) char *name = fields_item_name(schema, item);
        json_t *child = child_of(node, name);

        if (schema_merge(schema, list) == SCHEMA_MERGE_MAP)
            collect(child, schema_items(schema), item, with_maps);
        put_self(child);
    }
}

static void collect_map(json_t *node, const struct schema *schema, const json_t *map,
                        bool with_maps)
{
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)map, key, value)
    {
        CLEANUP(str) char *name = xasprintf("f:%s", key);

        collect(child_of(node, name), schema_field(schema, key), value, with_maps);
    }
}

static bool is_deep(const struct schema *schema, const json_t *value)
{
    return schema_merge(schema, value) != SCHEMA_MERGE_ATOMIC;
}

static void collect(json_t *node, const struct schema *schema, const json_t *value, bool with_maps)
{
    size_t count = json_object_size(value) + json_array_size(value);

    if (count == 0 || !is_deep(schema, value) || with_maps)
        put_self(node);
    if (!is_deep(schema, value))
        return;
    if (json_is_object(value))
        collect_map(node, schema, value, with_maps);
    else
        collect_list(node, schema, value, with_maps);
}

json_t *fields_of(const struct schema *schema, const json_t *value, bool with_maps)
{
    json_t *set = json_object();

    collect_map(set, schema, value, with_maps);
    return set;
}

static void compare(const struct schema *schema, const json_t *old, const json_t *value,
                    json_t *changed, json_t *removed);

static void drop_empty(json_t *node, const char *name)
{
    if (json_object_size(json_object_get(node, name)) == 0)
        json_object_del(node, name);
}

static void compare_child(const struct schema *schema, const char *name, const json_t *old,
                          const json_t *value, json_t *changed, json_t *removed)
{
    json_t *to = child_of(changed, name), *from = child_of(removed, name);

    if (value == NULL)
        collect(from, schema, old, true);
    else if (old == NULL)
        collect(to, schema, value, true);
    else
        compare(schema, old, value, to, from);
    drop_empty(changed, name);
    drop_empty(removed, name);
}

static void compare_maps(const struct schema *schema, const json_t *old, const json_t *value,
                         json_t *changed, json_t *removed)
{
    const char *key;
    json_t *member;

    json_object_foreach((json_t *)(uintptr_t)value, key, member)
    {
        CLEANUP(str) char *name = xasprintf("f:%s", key);

        compare_child(schema_field(schema, key), name, json_object_get(old, key), member, changed,
                      removed);
    }
    json_object_foreach((json_t *)(uintptr_t)old, key,
                        member) if (json_object_get(value, key) == NULL)
    {
        CLEANUP(str) char *name = xasprintf("f:%s", key);

        compare_child(schema_field(schema, key), name, member, NULL, changed, removed);
    }
}

/* The items of a list by their names. */
static json_t *by_name(const struct schema *schema, const json_t *list)
{
    json_t *map = json_object(), *item;
    size_t i;

    json_array_foreach(list, i, item)
    {
        CLEANUP(str) char *name = fields_item_name(schema, item);

        json_object_set(map, name, item);
    }
    return map;
}

static void compare_lists(const struct schema *schema, const json_t *old, const json_t *value,
                          json_t *changed, json_t *removed)
{
    json_auto_t *before = by_name(schema, old), *after = by_name(schema, value);
    const struct schema *items =
        schema_merge(schema, value) == SCHEMA_MERGE_MAP ? schema_items(schema) : NULL;
    const char *name;
    json_t *item;

    json_object_foreach(after, name, item)
        compare_child(items, name, json_object_get(before, name), item, changed, removed);
    json_object_foreach(before, name, item) if (json_object_get(after, name) == NULL)
        compare_child(items, name, item, NULL, changed, removed);
}

static void compare(const struct schema *schema, const json_t *old, const json_t *value,
                    json_t *changed, json_t *removed)
{
    bool deep = is_deep(schema, value) && json_typeof(old) == json_typeof(value);

    if (deep && json_is_object(value)) {
        compare_maps(schema, old, value, changed, removed);
    } else if (deep) {
        compare_lists(schema, old, value, changed, removed);
    } else if (!obj_eq(old, value)) {
        if (json_typeof(old) != json_typeof(value))
            collect(removed, schema, old, true);
        collect(changed, schema, value, true);
        fields_subtract(removed, changed);
    }
}

void fields_compare(const struct schema *schema, const json_t *old, const json_t *value,
                    json_t **changed, json_t **removed)
{
    *changed = json_object();
    *removed = json_object();
    compare_maps(schema, old, value, *changed, *removed);
}

bool fields_is_empty(const json_t *set)
{
    return json_object_size(set) == 0;
}

void fields_add(json_t *set, const json_t *other)
{
    const char *name;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)other, name, value)
        fields_add(child_of(set, name), value);
}

void fields_subtract(json_t *set, const json_t *other)
{
    const char *name;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)other, name, value)
    {
        json_t *mine = json_object_get(set, name);

        if (mine == NULL)
            continue;
        if (strcmp(name, ".") != 0)
            fields_subtract(mine, value);
        if (json_object_size(mine) == 0)
            json_object_del(set, name);
    }
}

json_t *fields_intersect(const json_t *a, const json_t *b)
{
    json_t *both = json_object(), *value;
    const char *name;

    json_object_foreach((json_t *)(uintptr_t)a, name, value)
    {
        json_t *other = json_object_get(b, name);

        if (other == NULL)
            continue;
        if (strcmp(name, ".") == 0) {
            put_self(both);
            continue;
        }
        json_object_set_new(both, name, fields_intersect(value, other));
        drop_empty(both, name);
    }
    return both;
}

void fields_strip(json_t *set)
{
    static const char *const server[] = {
        ".",
        "f:name",
        "f:namespace",
        "f:creationTimestamp",
        "f:selfLink",
        "f:uid",
        "f:generation",
        "f:managedFields",
        "f:resourceVersion",
        "f:deletionTimestamp",
        "f:deletionGracePeriodSeconds",
    };
    json_t *metadata = json_object_get(set, "f:metadata");

    json_object_del(set, "f:apiVersion");
    json_object_del(set, "f:kind");
    json_object_del(set, "f:stringData"); /* a Secret's; written only, it becomes data */
    for (size_t i = 0; i < ARRAY_SIZE(server); i++)
        json_object_del(metadata, server[i]);
    if (metadata != NULL)
        drop_empty(set, "f:metadata");
}

static void add_element(struct buf *path, const char *name)
{
    const char *key;
    json_t *value;
    bool first = true;

    if (name[0] == 'f') {
        buf_printf(path, ".%s", name + 2);
        return;
    }
    if (name[0] == 'v') {
        buf_printf(path, "[%s]", name + 2);
        return;
    }

    json_auto_t *keys = json_loads(name + 2, 0, NULL);

    json_object_foreach(keys, key, value)
    {
        CLEANUP(str) char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);

        buf_printf(path, "%s%s=%s", first ? "[" : ",", key, text != NULL ? text : "");
        first = false;
    }
    buf_add(path, first ? "" : "]");
}

void fields_each(const json_t *set, struct buf *path, void (*see)(void *arg, const char *path),
                 void *arg)
{
    const char *name;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)set, name, value)
    {
        size_t mark = path->len;

        if (strcmp(name, ".") == 0) {
            if (path->len > 0)
                see(arg, path->ptr);
            continue;
        }
        add_element(path, name);
        fields_each(value, path, see, arg);
        path->len = mark;
        if (path->ptr != NULL)
            path->ptr[mark] = '\0';
    }
}
