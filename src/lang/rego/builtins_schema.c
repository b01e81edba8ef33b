/* json.match_schema and json.verify_schema: the keywords of JSON Schema that describe one value
 * (type, enum, const, required, properties, additionalProperties, items, bounds, lengths, pattern,
 * allOf, anyOf, oneOf, not).  No references. */
#include "lang/rego/builtins_table.h"

#include "base/error.h"
#include "lang/regex.h"
#include "lang/rego/json.h"
#include "lang/rego/number.h"

#include <stdarg.h>
#include <stdio.h>

enum { SCHEMA_DEPTH_MAX = 64 };

struct checker {
    struct builtin_call *call;
    struct rval_list errors;
    int depth;
};

static const struct rval *read_document(struct builtin_call *call, const struct rval *v)
{
    CLEANUP(error) struct error *err = NULL;
    const struct rval *value = NULL;
    if (v->type != RVAL_STRING)
        return v;
    if (rjson_read(call->arena, (struct span){v->string, v->len}, &value, &err) == -1)
        return builtin_fail(call, "%s", err->msg);
    return value;
}

static const char *const type_names[] = {"array", "boolean", "integer", "number",
                                         "null",  "object",  "string"};

static bool is_type_name(const struct rval *v)
{
    for (size_t i = 0; i < sizeof(type_names) / sizeof(type_names[0]); i++)
        if (rval_str_is(v, type_names[i]))
            return true;
    return false;
}

/* NULL if the schema is sound, else what is wrong with it, in the arena. */
static const char *verify(struct builtin_call *call, const struct rval *schema, int depth)
{
    static const char *const inner[] = {"properties", "patternProperties", "definitions"};
    static const char *const one[] = {"items", "additionalProperties", "not"};
    static const char *const many[] = {"allOf", "anyOf", "oneOf"};
    if (schema->type == RVAL_BOOL)
        return NULL;
    if (schema->type != RVAL_OBJECT || depth > SCHEMA_DEPTH_MAX)
        return "schema must be an object";
    const struct rval *type = rval_get_str(schema, "type");
    const struct rval *bad = NULL;
    if (type != NULL && type->type == RVAL_ARRAY)
        for (uint32_t i = 0; i < type->len; i++)
            bad = is_type_name(type->items[i]) ? bad : type->items[i];
    else if (type != NULL && !is_type_name(type))
        bad = type;
    if (bad != NULL) {
        char text[300];
        snprintf(text, sizeof(text),
                 "has a primitive type that is NOT VALID -- given: /%.60s/ Expected valid values "
                 "are:[array boolean integer number null object string]",
                 bad->type == RVAL_STRING ? bad->string
                                          : rval_type_name((enum rval_type)bad->type));
        return arena_strndup(call->arena, text, strlen(text));
    }
    const char *why = NULL;
    for (size_t k = 0; k < 3 && why == NULL; k++) {
        const struct rval *group = rval_get_str(schema, inner[k]);
        for (uint32_t i = 0; group != NULL && group->type == RVAL_OBJECT && i < group->len && !why;
             i++)
            why = verify(call, group->pairs[i].value, depth + 1);
        const struct rval *single = rval_get_str(schema, one[k]);
        if (why == NULL && single != NULL && single->type == RVAL_OBJECT)
            why = verify(call, single, depth + 1);
        const struct rval *list = rval_get_str(schema, many[k]);
        for (uint32_t i = 0; list != NULL && list->type == RVAL_ARRAY && i < list->len && !why; i++)
            why = verify(call, list->items[i], depth + 1);
    }
    return why;
}

static void complain(struct checker *c, const char *field, const char *type, const char *format,
                     ...) __attribute__((format(printf, 4, 5)));

static void complain(struct checker *c, const char *field, const char *type, const char *format,
                     ...)
{
    struct arena *arena = c->call->arena;
    char text[300], whole[500];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    snprintf(whole, sizeof(whole), "%s: %s", field, text);
    struct rval_pair_list pairs = {0};
    rval_pair_list_push(arena, &pairs, rval_text(arena, "error"), rval_text(arena, whole));
    rval_pair_list_push(arena, &pairs, rval_text(arena, "type"), rval_text(arena, type));
    rval_pair_list_push(arena, &pairs, rval_text(arena, "field"), rval_text(arena, field));
    rval_pair_list_push(arena, &pairs, rval_text(arena, "desc"), rval_text(arena, text));
    rval_list_push(arena, &c->errors, rval_object(arena, pairs.ptr, pairs.len));
}

static const char *schema_type(const struct rval *v)
{
    if (v->type == RVAL_NUMBER)
        return rnum_is_integral(v) ? "integer" : "number";
    return v->type == RVAL_SET ? "array" : rval_type_name((enum rval_type)v->type);
}

static bool has_type(const struct rval *v, const struct rval *type)
{
    const char *have = schema_type(v);
    return rval_str_is(type, have) || (strcmp(have, "integer") == 0 && rval_str_is(type, "number"));
}

static void check(struct checker *c, const struct rval *v, const struct rval *schema,
                  const char *field);

static bool matches(struct checker *c, const struct rval *v, const struct rval *schema)
{
    struct checker inner = {c->call, {0}, c->depth};
    check(&inner, v, schema, "(root)");
    return inner.errors.len == 0;
}

static void check_groups(struct checker *c, const struct rval *v, const struct rval *schema,
                         const char *field)
{
    const struct rval *all = rval_get_str(schema, "allOf");
    const struct rval *any = rval_get_str(schema, "anyOf");
    const struct rval *one = rval_get_str(schema, "oneOf");
    const struct rval *not = rval_get_str(schema, "not");
    size_t count = 0;
    for (uint32_t i = 0; all != NULL && all->type == RVAL_ARRAY && i < all->len; i++)
        check(c, v, all->items[i], field);
    for (uint32_t i = 0; any != NULL && any->type == RVAL_ARRAY && i < any->len; i++)
        count += matches(c, v, any->items[i]);
    if (any != NULL && count == 0)
        complain(c, field, "number_any_of", "Must validate at least one schema (anyOf)");
    count = 0;
    for (uint32_t i = 0; one != NULL && one->type == RVAL_ARRAY && i < one->len; i++)
        count += matches(c, v, one->items[i]);
    if (one != NULL && count != 1)
        complain(c, field, "number_one_of", "Must validate one and only one schema (oneOf)");
    if (not != NULL && matches(c, v, not ))
        complain(c, field, "number_not", "Must not validate the schema (not)");
}

static void check_object(struct checker *c, const struct rval *v, const struct rval *schema,
                         const char *field)
{
    const struct rval *properties = rval_get_str(schema, "properties");
    const struct rval *required = rval_get_str(schema, "required");
    const struct rval *more = rval_get_str(schema, "additionalProperties");
    for (uint32_t i = 0; required != NULL && required->type == RVAL_ARRAY && i < required->len; i++)
        if (rval_get(v, required->items[i]) == NULL)
            complain(c, field, "required", "%.100s is required",
                     required->items[i]->type == RVAL_STRING ? required->items[i]->string : "?");
    for (uint32_t i = 0; i < v->len; i++) {
        const struct rval *key = v->pairs[i].key;
        char name[300];
        if (key->type != RVAL_STRING)
            continue;
        if (strcmp(field, "(root)") == 0)
            snprintf(name, sizeof(name), "%.250s", key->string);
        else
            snprintf(name, sizeof(name), "%.140s.%.140s", field, key->string);
        const struct rval *inner = properties != NULL && properties->type == RVAL_OBJECT
                                       ? rval_get(properties, key)
                                       : NULL;
        if (inner != NULL)
            check(c, v->pairs[i].value, inner, name);
        else if (more != NULL && rval_is_false(more))
            complain(c, field, "additional_property_not_allowed",
                     "Additional property %.100s is not allowed", key->string);
        else if (more != NULL && more->type == RVAL_OBJECT)
            check(c, v->pairs[i].value, more, name);
    }
}

static void check_bounds(struct checker *c, const struct rval *v, const struct rval *schema,
                         const char *field)
{
    static const struct {
        const char *keyword, *type, *text;
        enum rval_type of;
        int sign;
    } rows[] = {
        {"minimum", "number_gte", "Must be greater than or equal to", RVAL_NUMBER, 1},
        {"maximum", "number_lte", "Must be less than or equal to", RVAL_NUMBER, -1},
        {"minLength", "string_gte", "String length must be greater than or equal to", RVAL_STRING,
         1},
        {"maxLength", "string_lte", "String length must be less than or equal to", RVAL_STRING, -1},
        {"minItems", "array_min_items", "Array must have at least", RVAL_ARRAY, 1},
        {"maxItems", "array_max_items", "Array must have at most", RVAL_ARRAY, -1},
        {"minProperties", "array_min_properties", "Must have at least", RVAL_OBJECT, 1},
        {"maxProperties", "array_max_properties", "Must have at most", RVAL_OBJECT, -1},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct rval *bound = rval_get_str(schema, rows[i].keyword);
        if (bound == NULL || bound->type != RVAL_NUMBER || v->type != rows[i].of)
            continue;
        const struct rval *size =
            v->type == RVAL_NUMBER ? v : builtin_collection_count(c->call, &v);
        char number[RNUM_INT_TEXT];
        size_t len;
        if (rval_compare(size, bound) * rows[i].sign < 0)
            complain(c, field, rows[i].type, "%s %s", rows[i].text, rnum_text(bound, number, &len));
    }
}

static void check_text(struct checker *c, const struct rval *v, const struct rval *pattern,
                       const char *field)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(regex) struct regex *regex = NULL;
    bool found = false;
    if (regex_compile((struct span){pattern->string, pattern->len}, &regex, &err) == 0 &&
        regex_search(regex, (struct span){v->string, v->len}, 0, &found, NULL, 0, &err) == 0 &&
        !found)
        complain(c, field, "pattern", "Does not match pattern '%.100s'", pattern->string);
}

static void check_type(struct checker *c, const struct rval *v, const struct rval *type,
                       const char *field)
{
    bool ok = type->type != RVAL_ARRAY && has_type(v, type);
    for (uint32_t i = 0; type->type == RVAL_ARRAY && i < type->len; i++)
        ok |= has_type(v, type->items[i]);
    if (!ok)
        complain(c, field, "invalid_type", "Invalid type. Expected: %.60s, given: %s",
                 type->type == RVAL_STRING ? type->string : "one of several", schema_type(v));
}

static void check(struct checker *c, const struct rval *v, const struct rval *schema,
                  const char *field)
{
    if (schema->type == RVAL_BOOL) {
        if (!schema->boolean)
            complain(c, field, "false", "False always fails validation");
        return;
    }
    if (schema->type != RVAL_OBJECT || c->depth >= SCHEMA_DEPTH_MAX)
        return;
    c->depth++;
    const struct rval *type = rval_get_str(schema, "type");
    const struct rval *values = rval_get_str(schema, "enum");
    const struct rval *constant = rval_get_str(schema, "const");
    const struct rval *items = rval_get_str(schema, "items");
    const struct rval *pattern = rval_get_str(schema, "pattern");
    if (type != NULL)
        check_type(c, v, type, field);
    if (values != NULL &&
        rval_eq(builtin_member_2(c->call, (const struct rval *[]){v, values}), &rval_false))
        complain(c, field, "enum", "%s must be one of the listed values", field);
    if (constant != NULL && !rval_eq(v, constant))
        complain(c, field, "const", "%s does not match the constant", field);
    if (v->type == RVAL_OBJECT)
        check_object(c, v, schema, field);
    for (uint32_t i = 0; items != NULL && v->type == RVAL_ARRAY && i < v->len; i++) {
        char name[300];
        snprintf(name, sizeof(name), "%.250s.%u", field, i);
        check(c, v->items[i], items, name);
    }
    if (pattern != NULL && pattern->type == RVAL_STRING && v->type == RVAL_STRING)
        check_text(c, v, pattern, field);
    check_bounds(c, v, schema, field);
    check_groups(c, v, schema, field);
    c->depth--;
}

static const struct rval *pair(struct builtin_call *call, const struct rval *a,
                               const struct rval *b)
{
    struct rval_list list = {0};
    rval_list_push(call->arena, &list, a);
    rval_list_push(call->arena, &list, b);
    return rval_array(call->arena, list.ptr, list.len);
}

BUILTIN(json_verify_schema)
{
    const struct rval *schema = read_document(call, args[0]);
    if (schema == NULL) {
        const struct rval *text = rval_text(call->arena, call->message);
        call->code = NULL;
        return pair(call, &rval_false, text);
    }
    const char *why = verify(call, schema, 0);
    if (why == NULL)
        return pair(call, &rval_true, &rval_null);
    char text[400];
    snprintf(text, sizeof(text), "jsonschema: %s", why);
    return pair(call, &rval_false, rval_text(call->arena, text));
}

BUILTIN(json_match_schema)
{
    const struct rval *document = read_document(call, args[0]);
    const struct rval *schema = document != NULL ? read_document(call, args[1]) : NULL;
    if (schema == NULL)
        return NULL;
    const char *why = verify(call, schema, 0);
    if (why != NULL)
        return builtin_fail(call, "%s", why);
    struct checker c = {call, {0}, 0};
    check(&c, document, schema, "(root)");
    return pair(call, rval_bool(c.errors.len == 0),
                rval_array(call->arena, c.errors.ptr, c.errors.len));
}
