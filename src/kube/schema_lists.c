/* Duplicates in lists of type set and map.  An item's identity is put into a set as text, so that
 * a long list costs no more than its length. */
#include "kube/schema_node.h"

#include "base/map.h"
#include "base/mem.h"
#include "base/text.h"
#include "data/obj.h"
#include "kube/field_path.h"

#include <stdlib.h>

struct checker {
    struct cause_list *causes;
    struct buf path;
};

/* What makes ITEM one of a kind: itself, or its keys.  A key that is absent counts with its
 * default. */
static json_t *identity(const struct schema *list, json_t *item)
{
    if (list->merge == SCHEMA_MERGE_SET)
        return json_incref(item);

    json_t *keys = json_object();

    for (size_t i = 0; schema_map_key(list, i) != NULL; i++) {
        const char *name = schema_map_key(list, i);
        const json_t *key = json_object_get(item, name);

        if (key == NULL)
            key = schema_field_default(list->items, name);
        if (key != NULL)
            json_object_set_new(keys, name, json_deep_copy(key));
    }
    return keys;
}

static void check_list(struct checker *c, const struct schema *list, const json_t *value)
{
    static char seen_mark[] = "";
    struct map *seen = map_new();
    size_t i;
    json_t *item;

    json_array_foreach(value, i, item)
    {
        json_auto_t *id = identity(list, item);
        CLEANUP(str) char *text = json_dumps(id, JSON_SORT_KEYS | JSON_ENCODE_ANY | JSON_COMPACT);

        if (text == NULL || map_put(seen, text, seen_mark) == NULL)
            continue;

        size_t mark = field_push_index(&c->path, i);

        cause_add(c->causes, CAUSE_DUPLICATE, field_text(&c->path), id, NULL);
        field_pop(&c->path, mark);
    }
    map_free(seen, NULL);
}

static void check(struct checker *c, const struct schema *schema, const json_t *value)
{
    const char *name;
    size_t i;
    json_t *member;

    if ((schema->flags & SCHEMA_HAS_LISTS) == 0 || c->causes->len >= CAUSE_MAX)
        return;
    if (json_is_object(value)) {
        json_object_foreach((json_t *)(uintptr_t)value, name, member)
        {
            const struct schema *field = schema_field(schema, name);

            if (field == NULL)
                continue;

            size_t mark = field_push_name(&c->path, name);

            check(c, field, member);
            field_pop(&c->path, mark);
        }
    } else if (json_is_array(value)) {
        if (schema->merge == SCHEMA_MERGE_SET || schema->merge == SCHEMA_MERGE_MAP)
            check_list(c, schema, value);
        json_array_foreach(value, i, member)
        {
            if (schema->items == NULL)
                break;

            size_t mark = field_push_index(&c->path, i);

            check(c, schema->items, member);
            field_pop(&c->path, mark);
        }
    }
}

void schema_check_lists(const struct schema *schema, const json_t *value, struct cause_list *causes)
{
    struct checker c = {.causes = causes, .path = FIELD_PATH_INIT};

    check(&c, schema, value);
    buf_reset(&c.path);
}
