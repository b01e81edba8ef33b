#include "kube/schema_node.h"

#include "base/text.h"

#include <string.h>

const struct schema *schema_field(const struct schema *schema, const char *name)
{
    if (schema == NULL)
        return NULL;

    size_t low = 0, high = schema->property_count;

    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = strcmp(name, schema->properties[middle].name);

        if (order == 0)
            return schema->properties[middle].schema;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return schema->additional;
}

const struct schema *schema_items(const struct schema *schema)
{
    return schema != NULL ? schema->items : NULL;
}

enum schema_merge schema_merge(const struct schema *schema, const json_t *value)
{
    if (json_is_object(value))
        return schema != NULL && schema->type == SCHEMA_OBJECT ? (enum schema_merge)schema->merge
                                                               : SCHEMA_MERGE_DEEP;
    if (json_is_array(value) && schema != NULL && schema->type == SCHEMA_ARRAY)
        return (enum schema_merge)schema->merge;
    return SCHEMA_MERGE_ATOMIC;
}

const char *schema_map_key(const struct schema *schema, size_t i)
{
    if (schema == NULL || schema->extra == NULL || schema->extra->keys == NULL)
        return NULL;
    return schema->extra->keys[i];
}

const json_t *schema_field_default(const struct schema *schema, const char *name)
{
    const struct schema *field = schema_field(schema, name);

    return field != NULL ? field->fallback : NULL;
}

const char *schema_patch_key(const struct schema *schema)
{
    if (schema == NULL || schema->extra == NULL)
        return NULL;
    if (schema->extra->patch_key != NULL)
        return schema->extra->patch_key;
    return schema_map_key(schema, 0);
}

bool schema_patch_has(const struct schema *schema, const char *strategy)
{
    if (schema == NULL || schema->extra == NULL || schema->extra->patch_strategy == NULL)
        return false;

    struct span rest = span_of(schema->extra->patch_strategy), word;

    while (span_split(&rest, ',', &word))
        if (span_eq_str(word, strategy))
            return true;
    return false;
}
