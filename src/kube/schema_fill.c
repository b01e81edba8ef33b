/* Pruning and defaulting: two walks over an object beside its schema.  Their depth is bounded by
 * the schema's. */
#include "kube/schema_node.h"

#include "base/mem.h"
#include "base/text.h"
#include "data/obj.h"
#include "kube/field_path.h"

#include <string.h>

struct pruner {
    struct str_list *unknown; /* or NULL */
    struct buf path;
};

static void prune(struct pruner *p, const struct schema *schema, json_t *value);

static void drop(struct pruner *p, json_t *object, const char *name)
{
    if (p->unknown != NULL && p->unknown->len < SCHEMA_MAX_UNKNOWN) {
        size_t mark = field_push_name(&p->path, name);

        str_list_push(p->unknown, xstrdup(field_text(&p->path)));
        field_pop(&p->path, mark);
    }
    json_object_del(object, name);
}

static void prune_object(struct pruner *p, const struct schema *schema, json_t *object)
{
    const char *name;
    json_t *value;
    void *next;

    json_object_foreach_safe(object, next, name, value)
    {
        const struct schema *field = schema_field(schema, name);

        if (field != NULL) {
            size_t mark = field_push_name(&p->path, name);

            prune(p, field, value);
            field_pop(&p->path, mark);
        } else if ((schema->flags & (SCHEMA_PRESERVE | SCHEMA_OPEN)) == 0) {
            drop(p, object, name);
        }
    }
}

static void prune(struct pruner *p, const struct schema *schema, json_t *value)
{
    size_t i;
    json_t *item;

    if (json_is_object(value)) {
        prune_object(p, schema, value);
    } else if (json_is_array(value) && schema->items != NULL) {
        json_array_foreach(value, i, item)
        {
            size_t mark = field_push_index(&p->path, i);

            prune(p, schema->items, item);
            field_pop(&p->path, mark);
        }
    }
}

void schema_prune(const struct schema *schema, json_t *object, struct str_list *unknown)
{
    struct pruner p = {.unknown = unknown, .path = FIELD_PATH_INIT};

    prune(&p, schema, object);
    buf_reset(&p.path);
}

static void fill(const struct schema *schema, json_t *value);

static bool is_bare_null(const struct schema *schema, const json_t *value)
{
    return json_is_null(value) && (schema->flags & SCHEMA_NULLABLE) == 0 &&
           schema->type != SCHEMA_ANY;
}

static void fill_object(const struct schema *schema, json_t *object)
{
    const char *name;
    json_t *value;
    void *next;

    json_object_foreach_safe(object, next, name, value)
    {
        const struct schema *field = schema_field(schema, name);

        if (field != NULL && is_bare_null(field, value))
            json_object_del(object, name);
    }
    for (size_t i = 0; i < schema->property_count; i++) {
        const struct schema *field = schema->properties[i].schema;

        if (field->fallback != NULL && json_object_get(object, schema->properties[i].name) == NULL)
            json_object_set_new(object, schema->properties[i].name, obj_copy(field->fallback));
    }
    json_object_foreach(object, name, value)
    {
        const struct schema *field = schema_field(schema, name);

        if (field != NULL)
            fill(field, value);
    }
}

static void fill(const struct schema *schema, json_t *value)
{
    size_t i;
    json_t *item;

    if (json_is_object(value)) {
        fill_object(schema, value);
    } else if (json_is_array(value) && schema->items != NULL) {
        json_array_foreach(value, i, item)
        {
            if (is_bare_null(schema->items, item) && schema->items->fallback != NULL)
                json_array_set_new(value, i, obj_copy(schema->items->fallback));
            fill(schema->items, json_array_get(value, i));
        }
    }
}

void schema_default(const struct schema *schema, json_t *object)
{
    fill(schema, object);
}
