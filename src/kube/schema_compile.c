#include "kube/schema_node.h"

#include "base/array.h"
#include "base/error.h"
#include "base/mem.h"
#include "data/obj.h"
#include "kube/cel.h"
#include "kube/field_path.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_MEMBERS = 10000 }; /* properties, required names, rules or branches of one node */

struct compiler {
    struct schema_pool *pool;
    struct cause_list *causes;
    struct buf path;
    size_t nodes;
};

static const struct schema *compile(struct compiler *c, const json_t *in, bool is_resource,
                                    bool is_branch, unsigned depth);

static void refuse(struct compiler *c, enum cause_reason reason, const char *name,
                   const json_t *value, const char *text)
{
    size_t mark = field_push_name(&c->path, name);

    cause_add(c->causes, reason, field_text(&c->path), value, text != NULL ? "%s" : NULL, text);
    field_pop(&c->path, mark);
}

static struct schema_extra *need_extra(struct schema *node)
{
    if (node->extra == NULL) {
        struct schema_extra *extra = xcalloc(1, sizeof(*extra));

        extra->min_length = extra->max_length = -1;
        extra->min_items = extra->max_items = -1;
        extra->min_properties = extra->max_properties = -1;
        node->extra = extra;
    }
    return node->extra;
}

static const struct {
    const char *name;
    enum schema_type type;
} type_names[] = {
    {"object", SCHEMA_OBJECT},   {"array", SCHEMA_ARRAY},   {"string", SCHEMA_STRING},
    {"integer", SCHEMA_INTEGER}, {"number", SCHEMA_NUMBER}, {"boolean", SCHEMA_BOOLEAN},
};

/* The type, and whether one had to be there. */
static void compile_type(struct compiler *c, const json_t *in, struct schema *node, bool is_branch)
{
    const char *type = obj_str(in, "type", NULL);
    bool int_or_string = json_is_true(json_object_get(in, "x-kubernetes-int-or-string"));

    if (json_is_true(json_object_get(in, "x-kubernetes-preserve-unknown-fields")))
        node->flags |= SCHEMA_PRESERVE;
    if (int_or_string) {
        node->type = SCHEMA_INT_OR_STRING;
        if (type != NULL)
            refuse(c, CAUSE_FORBIDDEN, "type", NULL,
                   "must be empty if x-kubernetes-int-or-string is true");
        return;
    }
    if (type == NULL || type[0] == '\0') {
        if ((node->flags & SCHEMA_PRESERVE) == 0 && !is_branch)
            refuse(c, CAUSE_REQUIRED, "type", NULL,
                   "must not be empty for specified object fields");
        return;
    }
    for (size_t i = 0; i < ARRAY_SIZE(type_names); i++)
        if (strcmp(type, type_names[i].name) == 0) {
            node->type = (uint8_t)type_names[i].type;
            return;
        }
    refuse(c, CAUSE_NOT_SUPPORTED, "type", json_object_get(in, "type"),
           "supported values: \"array\", \"boolean\", \"integer\", \"number\", \"object\", "
           "\"string\"");
}

static int by_name(const void *a, const void *b)
{
    const struct schema_property *x = a, *y = b;

    return strcmp(x->name, y->name);
}

static void add_property(struct schema *node, const char *name, const struct schema *schema)
{
    node->properties[node->property_count++] = (struct schema_property){name, schema};
}

static bool is_resource_field(const char *name)
{
    return strcmp(name, "apiVersion") == 0 || strcmp(name, "kind") == 0 ||
           strcmp(name, "metadata") == 0;
}

static void compile_properties(struct compiler *c, const json_t *in, struct schema *node,
                               bool is_branch, unsigned depth)
{
    json_t *properties = obj_obj(in, "properties");
    bool is_resource = (node->flags & SCHEMA_RESOURCE) != 0;
    size_t count = json_object_size(properties);
    const char *name;
    json_t *value;

    if (count > MAX_MEMBERS) {
        refuse(c, CAUSE_TOO_MANY, "properties", NULL, "must have at most 10000 items");
        return;
    }
    if (count == 0 && !is_resource)
        return;
    node->properties = xcalloc(count + 3, sizeof(*node->properties));

    size_t mark = field_push_name(&c->path, "properties");

    json_object_foreach(properties, name, value)
    {
        if (is_resource && is_resource_field(name))
            continue;

        size_t inner = c->path.len;

        buf_printf(&c->path, "[%s]", name);
        add_property(node, schema_pool_intern(c->pool, name),
                     compile(c, value, false, is_branch, depth + 1));
        field_pop(&c->path, inner);
    }
    field_pop(&c->path, mark);
    if (is_resource) {
        const struct schema *text = schema_pool_text(c->pool);

        add_property(node, schema_pool_intern(c->pool, "apiVersion"), text);
        add_property(node, schema_pool_intern(c->pool, "kind"), text);
        add_property(node, schema_pool_intern(c->pool, "metadata"), schema_pool_meta(c->pool));
    }
    qsort(node->properties, node->property_count, sizeof(*node->properties), by_name);
}

static void compile_required(struct compiler *c, const json_t *in, struct schema *node)
{
    json_t *required = obj_arr(in, "required");
    size_t count = json_array_size(required), i;
    json_t *item;

    if (count == 0)
        return;
    if (count > MAX_MEMBERS) {
        refuse(c, CAUSE_TOO_MANY, "required", NULL, "must have at most 10000 items");
        return;
    }
    node->required = xcalloc(count, sizeof(*node->required));
    json_array_foreach(required, i, item)
    {
        if (!json_is_string(item)) {
            refuse(c, CAUSE_INVALID, "required", item, "must be a list of names");
            continue;
        }
        node->required[node->required_count++] =
            schema_pool_intern(c->pool, json_string_value(item));
    }
}

static void compile_children(struct compiler *c, const json_t *in, struct schema *node,
                             bool is_branch, unsigned depth)
{
    json_t *items = json_object_get(in, "items");
    json_t *additional = json_object_get(in, "additionalProperties");

    if (json_is_object(items)) {
        size_t mark = field_push_name(&c->path, "items");

        node->items = compile(c, items, false, is_branch, depth + 1);
        field_pop(&c->path, mark);
    } else if (items != NULL) {
        refuse(c, CAUSE_FORBIDDEN, "items", NULL, "items must be a schema object and not an array");
    } else if (node->type == SCHEMA_ARRAY && !is_branch) {
        refuse(c, CAUSE_REQUIRED, "items", NULL, "must be specified");
    }
    if (json_is_object(additional)) {
        size_t mark = field_push_name(&c->path, "additionalProperties");

        if (node->property_count > 0 && (node->flags & SCHEMA_RESOURCE) == 0)
            cause_add(c->causes, CAUSE_FORBIDDEN, field_text(&c->path), NULL,
                      "additionalProperties and properties are mutual exclusive");
        node->additional = compile(c, additional, false, is_branch, depth + 1);
        field_pop(&c->path, mark);
    } else if (json_is_true(additional)) {
        node->flags |= SCHEMA_OPEN;
    }
}

static void read_limit(const json_t *in, const char *name, struct schema *node, size_t offset)
{
    json_t *value = json_object_get(in, name);

    if (json_is_integer(value) && json_integer_value(value) >= 0)
        *(int64_t *)(void *)((char *)need_extra(node) + offset) = json_integer_value(value);
}

static void compile_limits(const json_t *in, struct schema *node)
{
    static const struct {
        const char *name;
        size_t offset;
    } limits[] = {
        {"minLength", offsetof(struct schema_extra, min_length)},
        {"maxLength", offsetof(struct schema_extra, max_length)},
        {"minItems", offsetof(struct schema_extra, min_items)},
        {"maxItems", offsetof(struct schema_extra, max_items)},
        {"minProperties", offsetof(struct schema_extra, min_properties)},
        {"maxProperties", offsetof(struct schema_extra, max_properties)},
    };
    json_t *minimum = json_object_get(in, "minimum"), *maximum = json_object_get(in, "maximum");
    json_t *multiple = json_object_get(in, "multipleOf");

    for (size_t i = 0; i < ARRAY_SIZE(limits); i++)
        read_limit(in, limits[i].name, node, limits[i].offset);
    if (json_is_number(minimum)) {
        need_extra(node)->minimum = json_number_value(minimum);
        node->flags |= SCHEMA_HAS_MIN;
        if (json_is_true(json_object_get(in, "exclusiveMinimum")))
            node->flags |= SCHEMA_EXCLUSIVE_MIN;
    }
    if (json_is_number(maximum)) {
        need_extra(node)->maximum = json_number_value(maximum);
        node->flags |= SCHEMA_HAS_MAX;
        if (json_is_true(json_object_get(in, "exclusiveMaximum")))
            node->flags |= SCHEMA_EXCLUSIVE_MAX;
    }
    if (json_is_number(multiple) && json_number_value(multiple) > 0)
        need_extra(node)->multiple_of = json_number_value(multiple);
}

static void compile_text(struct compiler *c, const json_t *in, struct schema *node)
{
    const char *pattern = obj_str(in, "pattern", NULL);
    json_t *values = obj_arr(in, "enum");

    node->format = schema_pool_intern(c->pool, obj_str(in, "format", NULL));
    if (json_array_size(values) > 0)
        need_extra(node)->enumeration = json_incref(values);
    if (pattern == NULL)
        return;

    CLEANUP(error) struct error *err = NULL;
    struct schema_extra *extra = need_extra(node);

    extra->pattern = schema_pool_intern(c->pool, pattern);
    if (schema_pool_regex(c->pool, extra->pattern, &extra->regex, &err) == -1) {
        CLEANUP(str) char *why = error_format(err);

        refuse(c, CAUSE_INVALID, "pattern", json_object_get(in, "pattern"), why);
    }
}

/* anyOf of nothing but types, as int-or-string fields have it, says nothing new. */
static bool repeats_int_or_string(const struct schema *node, const json_t *branches)
{
    size_t i;
    json_t *branch;

    if (node->type != SCHEMA_INT_OR_STRING || json_array_size(branches) != 2)
        return false;
    json_array_foreach(branches, i,
                       branch) if (json_object_size(branch) != 1 ||
                                   !str_eq(obj_str(branch, "type", NULL),
                                           i == 0 ? "integer" : "string")) return false;
    return true;
}

static void compile_branches(struct compiler *c, const json_t *in, const char *name,
                             struct schema *node, size_t offset, unsigned depth)
{
    json_t *list = obj_arr(in, name);
    size_t count = json_array_size(list), i;
    json_t *item;

    if (count == 0 || repeats_int_or_string(node, list))
        return;
    if (count > MAX_MEMBERS) {
        refuse(c, CAUSE_TOO_MANY, name, NULL, "must have at most 10000 items");
        return;
    }

    struct schema_branches *branches =
        (struct schema_branches *)(void *)((char *)need_extra(node) + offset);
    size_t mark = field_push_name(&c->path, name);

    branches->ptr = xcalloc(count, sizeof(*branches->ptr));
    json_array_foreach(list, i, item)
    {
        size_t inner = field_push_index(&c->path, i);

        if (node->type == SCHEMA_INT_OR_STRING &&
            repeats_int_or_string(node, obj_arr(item, "anyOf")) && json_object_size(item) == 1) {
            field_pop(&c->path, inner);
            continue;
        }
        branches->ptr[branches->len++] = compile(c, item, false, true, depth + 1);
        field_pop(&c->path, inner);
    }
    field_pop(&c->path, mark);
}

static void compile_logic(struct compiler *c, const json_t *in, struct schema *node, unsigned depth)
{
    json_t *negated = json_object_get(in, "not");

    compile_branches(c, in, "allOf", node, offsetof(struct schema_extra, all_of), depth);
    compile_branches(c, in, "anyOf", node, offsetof(struct schema_extra, any_of), depth);
    compile_branches(c, in, "oneOf", node, offsetof(struct schema_extra, one_of), depth);
    if (json_is_object(negated)) {
        size_t mark = field_push_name(&c->path, "not");

        need_extra(node)->negated = compile(c, negated, false, true, depth + 1);
        field_pop(&c->path, mark);
    }
}

static void compile_keys(struct compiler *c, const json_t *in, struct schema *node)
{
    json_t *keys = obj_arr(in, "x-kubernetes-list-map-keys");
    size_t count = json_array_size(keys), i;
    json_t *key;

    if (count == 0 || count > MAX_MEMBERS) {
        refuse(c, CAUSE_REQUIRED, "x-kubernetes-list-map-keys", NULL,
               "must not be empty if x-kubernetes-list-type is map");
        return;
    }

    struct schema_extra *extra = need_extra(node);

    node->merge = SCHEMA_MERGE_MAP;
    node->flags |= SCHEMA_HAS_LISTS;
    extra->keys = xcalloc(count + 1, sizeof(*extra->keys));
    json_array_foreach(keys, i, key)
    {
        const char *name = json_string_value(key);

        if (name == NULL || (node->items != NULL && schema_field(node->items, name) == NULL)) {
            refuse(c, CAUSE_INVALID, "x-kubernetes-list-map-keys", key,
                   "must be the name of a property of the items");
            name = "";
        }
        extra->keys[i] = schema_pool_intern(c->pool, name);
    }
}

static void compile_merge(struct compiler *c, const json_t *in, struct schema *node)
{
    const char *list = obj_str(in, "x-kubernetes-list-type", NULL);
    const char *map = obj_str(in, "x-kubernetes-map-type", NULL);
    const char *key = obj_str(in, "x-kubernetes-patch-merge-key", NULL);
    const char *strategy = obj_str(in, "x-kubernetes-patch-strategy", NULL);

    node->merge = node->type == SCHEMA_ARRAY ? SCHEMA_MERGE_ATOMIC : SCHEMA_MERGE_DEEP;
    if (str_eq(map, "atomic"))
        node->merge = SCHEMA_MERGE_ATOMIC;
    else if (map != NULL && !str_eq(map, "granular"))
        refuse(c, CAUSE_NOT_SUPPORTED, "x-kubernetes-map-type",
               json_object_get(in, "x-kubernetes-map-type"),
               "supported values: \"atomic\", \"granular\"");
    if (str_eq(list, "map")) {
        compile_keys(c, in, node);
    } else if (str_eq(list, "set")) {
        node->merge = SCHEMA_MERGE_SET;
        node->flags |= SCHEMA_HAS_LISTS;
    } else if (list != NULL && !str_eq(list, "atomic")) {
        refuse(c, CAUSE_NOT_SUPPORTED, "x-kubernetes-list-type",
               json_object_get(in, "x-kubernetes-list-type"),
               "supported values: \"atomic\", \"map\", \"set\"");
    }
    if (key != NULL)
        need_extra(node)->patch_key = schema_pool_intern(c->pool, key);
    if (strategy != NULL)
        need_extra(node)->patch_strategy = schema_pool_intern(c->pool, strategy);
}

static enum cause_reason rule_reason(const char *name)
{
    for (int i = 0; name != NULL && i < CAUSE_COUNT; i++)
        if (strcmp(name, cause_reason_name((enum cause_reason)i)) == 0)
            return (enum cause_reason)i;
    return CAUSE_INVALID;
}

static void compile_rule(struct compiler *c, const json_t *in, struct schema_rule *rule)
{
    CLEANUP(error) struct error *err = NULL;
    const char *source = obj_str(in, "rule", "");

    rule->source = schema_pool_intern(c->pool, source);
    rule->message = schema_pool_intern(c->pool, obj_str(in, "message", NULL));
    rule->field_path = schema_pool_intern(c->pool, obj_str(in, "fieldPath", NULL));
    rule->reason = rule_reason(obj_str(in, "reason", NULL));
    if (json_object_get(in, "messageExpression") != NULL && rule->message == NULL)
        refuse(c, CAUSE_FORBIDDEN, "messageExpression", NULL,
               "is not supported without a message beside it");
    rule->rule = cel_compile(source, &err);
    if (rule->rule == NULL) {
        CLEANUP(str) char *why = error_format(err);

        refuse(c, CAUSE_INVALID, "rule", json_object_get(in, "rule"), why);
    }
}

static void compile_rules(struct compiler *c, const json_t *in, struct schema *node)
{
    json_t *rules = obj_arr(in, "x-kubernetes-validations"), *item;
    size_t count = json_array_size(rules), i;

    if (count == 0)
        return;
    if (count > MAX_MEMBERS) {
        refuse(c, CAUSE_TOO_MANY, "x-kubernetes-validations", NULL,
               "must have at most 10000 items");
        return;
    }

    struct schema_extra *extra = need_extra(node);

    extra->rules = xcalloc(count, sizeof(*extra->rules));
    extra->rule_count = count;
    node->flags |= SCHEMA_HAS_RULES;

    size_t mark = field_push_name(&c->path, "x-kubernetes-validations");

    json_array_foreach(rules, i, item)
    {
        size_t inner = field_push_index(&c->path, i);

        compile_rule(c, item, &extra->rules[i]);
        field_pop(&c->path, inner);
    }
    field_pop(&c->path, mark);
}

/* What is true of a subtree if it is true of a child. */
static void inherit(struct schema *node, const struct schema *child)
{
    node->flags |= child->flags & (SCHEMA_HAS_RULES | SCHEMA_HAS_DEFAULTS | SCHEMA_HAS_LISTS);
    if (child->fallback != NULL)
        node->flags |= SCHEMA_HAS_DEFAULTS;
}

static void refuse_unsupported(struct compiler *c, const json_t *in)
{
    static const char *const names[] = {"$ref", "definitions", "dependencies", "patternProperties",
                                        "additionalItems"};

    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (json_object_get(in, names[i]) != NULL)
            refuse(c, CAUSE_FORBIDDEN, names[i], NULL, "is not supported");
    if (json_is_true(json_object_get(in, "uniqueItems")))
        refuse(c, CAUSE_FORBIDDEN, "uniqueItems", NULL,
               "uniqueItems cannot be set to true since the runtime complexity becomes quadratic");
}

static const struct schema *compile(struct compiler *c, const json_t *in, bool is_resource,
                                    bool is_branch, unsigned depth)
{
    struct schema *node = xcalloc(1, sizeof(*node));

    if (!json_is_object(in) || depth > SCHEMA_MAX_DEPTH || ++c->nodes > SCHEMA_MAX_NODES) {
        if (c->nodes <= SCHEMA_MAX_NODES + 1)
            cause_add(c->causes, CAUSE_INVALID, field_text(&c->path), NULL,
                      !json_is_object(in)        ? "must be an object"
                      : depth > SCHEMA_MAX_DEPTH ? "must not nest so deeply"
                                                 : "must not have so many nodes");
        return schema_pool_share(c->pool, node);
    }
    refuse_unsupported(c, in);
    compile_type(c, in, node, is_branch);
    if (json_is_true(json_object_get(in, "nullable")))
        node->flags |= SCHEMA_NULLABLE;
    if (is_resource || json_is_true(json_object_get(in, "x-kubernetes-embedded-resource")))
        node->flags |= SCHEMA_RESOURCE;
    compile_properties(c, in, node, is_branch, depth);
    compile_required(c, in, node);
    compile_children(c, in, node, is_branch, depth);
    compile_limits(in, node);
    compile_text(c, in, node);
    compile_merge(c, in, node);
    compile_logic(c, in, node, depth);
    compile_rules(c, in, node);
    node->fallback = json_incref(json_object_get(in, "default"));
    for (size_t i = 0; i < node->property_count; i++)
        inherit(node, node->properties[i].schema);
    if (node->items != NULL)
        inherit(node, node->items);
    if (node->additional != NULL)
        inherit(node, node->additional);
    return schema_pool_share(c->pool, node);
}

const struct schema *schema_compile_node(struct schema_pool *pool, const json_t *openapi,
                                         bool is_resource, const char *field,
                                         struct cause_list *causes)
{
    struct compiler c = {.pool = pool, .causes = causes, .path = FIELD_PATH_INIT};
    size_t before = causes->len;

    buf_add(&c.path, field);

    const struct schema *schema = compile(&c, openapi, is_resource, false, 0);

    buf_reset(&c.path);
    return causes->len > before ? NULL : schema;
}

const struct schema *schema_compile(struct schema_pool *pool, const json_t *openapi,
                                    const char *field, struct cause_list *causes)
{
    schema_pool_lock(pool);

    const struct schema *schema = schema_compile_node(pool, openapi, true, field, causes);

    schema_pool_unlock(pool);
    return schema;
}
