/* Validation: one walk for what the schema says, one for duplicates, and, if nothing basic is
 * wrong, one for the CEL rules, in the API server's order and words. */
#include "kube/schema_node.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "data/obj.h"
#include "kube/cel.h"
#include "kube/field_path.h"
#include "lang/regex.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct validator {
    struct cause_list *causes;
    struct buf path;
};

static const char *const type_words[] = {
    [SCHEMA_ANY] = "",
    [SCHEMA_OBJECT] = "object",
    [SCHEMA_ARRAY] = "array",
    [SCHEMA_STRING] = "string",
    [SCHEMA_INTEGER] = "integer",
    [SCHEMA_NUMBER] = "number",
    [SCHEMA_BOOLEAN] = "boolean",
    [SCHEMA_INT_OR_STRING] = "integer,string",
};

static const char *word_of(const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return "object";
    case JSON_ARRAY:
        return "array";
    case JSON_STRING:
        return "string";
    case JSON_INTEGER:
        return "integer";
    case JSON_REAL:
        return "number";
    case JSON_TRUE:
    case JSON_FALSE:
        return "boolean";
    case JSON_NULL:
        break;
    }
    return "null";
}

static bool is_whole(const json_t *value)
{
    return json_is_integer(value) ||
           (json_is_real(value) && json_real_value(value) == trunc(json_real_value(value)));
}

static bool type_fits(const struct schema *schema, const json_t *value)
{
    switch ((enum schema_type)schema->type) {
    case SCHEMA_ANY:
        return true;
    case SCHEMA_OBJECT:
        return json_is_object(value);
    case SCHEMA_ARRAY:
        return json_is_array(value);
    case SCHEMA_STRING:
        return json_is_string(value);
    case SCHEMA_INTEGER:
        return is_whole(value);
    case SCHEMA_NUMBER:
        return json_is_number(value);
    case SCHEMA_BOOLEAN:
        return json_is_boolean(value);
    case SCHEMA_INT_OR_STRING:
        return is_whole(value) || json_is_string(value);
    }
    return false;
}

static void validate(struct validator *v, const struct schema *schema, const json_t *value);

static void add_type_cause(struct validator *v, const char *want, const char *shown)
{
    const char *field = field_text(&v->path);
    json_auto_t *text = json_string(shown);

    cause_add(v->causes, CAUSE_TYPE_INVALID, field, text, "%s in body must be of type %s: \"%s\"",
              field, want, shown);
}

#define ADD_INVALID(v, value, format, ...)                                                         \
    cause_add((v)->causes, CAUSE_INVALID, field_text(&(v)->path), (value), "%s in body " format,   \
              field_text(&(v)->path), __VA_ARGS__)

static size_t count_characters(const char *text)
{
    size_t n = 0;

    for (; *text != '\0'; text++)
        n += ((unsigned char)*text & 0xc0) != 0x80;
    return n;
}

static void check_pattern(struct validator *v, const struct schema_extra *extra,
                          const json_t *value)
{
    CLEANUP(error) struct error *err = NULL;
    struct span text = {json_string_value(value), json_string_length(value)};
    bool found = false;

    if (extra->regex == NULL)
        return;
    if (regex_search(extra->regex, text, 0, &found, NULL, 0, &err) == -1)
        ADD_INVALID(v, value, "cannot be matched with '%s': %s", extra->pattern, err->msg);
    else if (!found)
        ADD_INVALID(v, value, "should match '%s'", extra->pattern);
}

static void check_string(struct validator *v, const struct schema *schema, const json_t *value)
{
    const struct schema_extra *extra = schema->extra;
    const char *text = json_string_value(value);

    if (extra != NULL) {
        int64_t length = (int64_t)count_characters(text);

        if (extra->max_length >= 0 && length > extra->max_length)
            cause_add(v->causes, CAUSE_TOO_LONG, field_text(&v->path), NULL,
                      "may not be more than %lld byte%s", (long long)extra->max_length,
                      extra->max_length == 1 ? "" : "s");
        if (extra->min_length >= 0 && length < extra->min_length)
            ADD_INVALID(v, value, "should be at least %lld chars long",
                        (long long)extra->min_length);
        check_pattern(v, extra, value);
    }
    if (schema->format != NULL && !schema_format_accepts(schema->format, text))
        add_type_cause(v, schema->format, text);
}

static void check_number(struct validator *v, const struct schema *schema, const json_t *value)
{
    const struct schema_extra *extra = schema->extra;
    double number = json_number_value(value);

    if (schema->format != NULL && strcmp(schema->format, "int32") == 0 &&
        (number < INT32_MIN || number > INT32_MAX))
        ADD_INVALID(v, value, "must be of type integer with format %s", schema->format);
    if (extra == NULL)
        return;
    if ((schema->flags & SCHEMA_HAS_MIN) != 0) {
        bool exclusive = (schema->flags & SCHEMA_EXCLUSIVE_MIN) != 0;

        if (exclusive ? number <= extra->minimum : number < extra->minimum)
            ADD_INVALID(v, value, "should be greater than%s %.15g", exclusive ? "" : " or equal to",
                        extra->minimum);
    }
    if ((schema->flags & SCHEMA_HAS_MAX) != 0) {
        bool exclusive = (schema->flags & SCHEMA_EXCLUSIVE_MAX) != 0;

        if (exclusive ? number >= extra->maximum : number > extra->maximum)
            ADD_INVALID(v, value, "should be less than%s %.15g", exclusive ? "" : " or equal to",
                        extra->maximum);
    }
    if (extra->multiple_of > 0 && fmod(number, extra->multiple_of) != 0)
        ADD_INVALID(v, value, "should be a multiple of %.15g", extra->multiple_of);
}

static void check_array(struct validator *v, const struct schema *schema, const json_t *value)
{
    const struct schema_extra *extra = schema->extra;
    int64_t count = (int64_t)json_array_size(value);
    size_t i;
    json_t *item;

    if (extra != NULL && extra->max_items >= 0 && count > extra->max_items) {
        json_auto_t *shown = json_integer(count);

        cause_add(v->causes, CAUSE_TOO_MANY, field_text(&v->path), shown,
                  "must have at most %lld item%s", (long long)extra->max_items,
                  extra->max_items == 1 ? "" : "s");
    }
    if (extra != NULL && extra->min_items >= 0 && count < extra->min_items) {
        json_auto_t *shown = json_integer(count);

        ADD_INVALID(v, shown, "should have at least %lld items", (long long)extra->min_items);
    }
    if (schema->items == NULL)
        return;
    json_array_foreach(value, i, item)
    {
        size_t mark = field_push_index(&v->path, i);

        validate(v, schema->items, item);
        field_pop(&v->path, mark);
    }
}

static void check_member_counts(struct validator *v, const struct schema_extra *extra,
                                const json_t *value)
{
    int64_t count = (int64_t)json_object_size(value);
    json_auto_t *shown = json_integer(count);

    if (extra->max_properties >= 0 && count > extra->max_properties)
        cause_add(v->causes, CAUSE_TOO_MANY, field_text(&v->path), shown,
                  "must have at most %lld item%s", (long long)extra->max_properties,
                  extra->max_properties == 1 ? "" : "s");
    if (extra->min_properties >= 0 && count < extra->min_properties)
        ADD_INVALID(v, shown, "should have at least %lld properties",
                    (long long)extra->min_properties);
}

static void check_object(struct validator *v, const struct schema *schema, const json_t *value)
{
    const char *name;
    json_t *member;

    for (size_t i = 0; i < schema->required_count; i++)
        if (json_object_get(value, schema->required[i]) == NULL) {
            size_t mark = field_push_name(&v->path, schema->required[i]);

            cause_add(v->causes, CAUSE_REQUIRED, field_text(&v->path), NULL, NULL);
            field_pop(&v->path, mark);
        }
    if (schema->extra != NULL)
        check_member_counts(v, schema->extra, value);
    json_object_foreach((json_t *)(uintptr_t)value, name, member)
    {
        const struct schema *field = schema_field(schema, name);

        if (field == NULL)
            continue;

        size_t mark = field_push_name(&v->path, name);

        validate(v, field, member);
        field_pop(&v->path, mark);
    }
}

static void check_enum(struct validator *v, const json_t *values, const json_t *value)
{
    CLEANUP(buf) struct buf list = BUF_INIT(4096);
    size_t i;
    json_t *item;

    json_array_foreach(values, i, item) if (obj_eq(item, value)) return;
    json_array_foreach(values, i, item)
    {
        buf_add(&list, i > 0 ? ", " : "");
        if (json_is_string(item)) {
            buf_printf(&list, "\"%s\"", json_string_value(item));
        } else {
            CLEANUP(str) char *text = obj_format(item);

            buf_printf(&list, "\"%s\"", text);
        }
    }
    cause_add(v->causes, CAUSE_NOT_SUPPORTED, field_text(&v->path), value, "supported values: %.*s",
              (int)list.len, list.ptr != NULL ? list.ptr : "");
}

/* How many of the branches accept the value; their own causes go to DETAIL unless it is NULL. */
static size_t count_accepting(struct validator *v, const struct schema_branches *branches,
                              const json_t *value, struct cause_list *detail)
{
    size_t accepting = 0;

    for (size_t i = 0; i < branches->len; i++) {
        CLEANUP(cause_list) struct cause_list causes = {0};
        struct validator inner = {.causes = &causes, .path = v->path};

        validate(&inner, branches->ptr[i], value);
        v->path = inner.path;
        accepting += causes.len == 0;
        for (size_t j = 0; detail != NULL && j < causes.len && detail->len < CAUSE_MAX; j++) {
            cause_list_push(detail, causes.ptr[j]);
            causes.ptr[j] = (struct cause){0};
        }
    }
    return accepting;
}

static void check_logic(struct validator *v, const struct schema_extra *extra, const json_t *value)
{
    const char *field = field_text(&v->path);

    if (extra->all_of.len > 0)
        count_accepting(v, &extra->all_of, value, v->causes);
    if (extra->any_of.len > 0 && count_accepting(v, &extra->any_of, value, NULL) == 0)
        cause_add(v->causes, CAUSE_INVALID, field, value,
                  "\"%s\" must validate at least one schema (anyOf)", field);
    if (extra->one_of.len > 0 && count_accepting(v, &extra->one_of, value, NULL) != 1)
        cause_add(v->causes, CAUSE_INVALID, field, value,
                  "\"%s\" must validate one and only one schema (oneOf)", field);
    if (extra->negated != NULL) {
        struct schema_branches one = {.ptr = (const struct schema *[]){extra->negated}, .len = 1};

        if (count_accepting(v, &one, value, NULL) == 1)
            cause_add(v->causes, CAUSE_INVALID, field, value,
                      "\"%s\" must not validate the schema (not)", field);
    }
}

static void validate(struct validator *v, const struct schema *schema, const json_t *value)
{
    if (v->causes->len >= CAUSE_MAX)
        return;
    if (json_is_null(value)) {
        if (schema->type != SCHEMA_ANY && (schema->flags & SCHEMA_NULLABLE) == 0)
            add_type_cause(v, type_words[schema->type], "null");
        return;
    }
    if (!type_fits(schema, value)) {
        add_type_cause(v, type_words[schema->type], word_of(value));
        return;
    }
    if (json_is_string(value))
        check_string(v, schema, value);
    else if (json_is_number(value))
        check_number(v, schema, value);
    else if (json_is_array(value))
        check_array(v, schema, value);
    else if (json_is_object(value))
        check_object(v, schema, value);
    if (schema->extra != NULL) {
        if (schema->extra->enumeration != NULL)
            check_enum(v, schema->extra->enumeration, value);
        check_logic(v, schema->extra, value);
    }
}

/* The member of a list of type map with the same keys as ITEM, or NULL. */
static const json_t *find_same_keys(const struct schema *list, const json_t *old,
                                    const json_t *item)
{
    size_t i;
    json_t *candidate;

    if (list->merge != SCHEMA_MERGE_MAP)
        return NULL;
    json_array_foreach(old, i, candidate)
    {
        bool same = true;

        for (size_t k = 0; same && schema_map_key(list, k) != NULL; k++) {
            const json_t *a = json_object_get(item, schema_map_key(list, k));
            const json_t *b = json_object_get(candidate, schema_map_key(list, k));

            same = a == b || (a != NULL && b != NULL && obj_eq(a, b));
        }
        if (same)
            return candidate;
    }
    return NULL;
}

static void run_rule(struct validator *v, const struct schema *schema,
                     const struct schema_rule *rule, const json_t *value, const json_t *old)
{
    CLEANUP(error) struct error *err = NULL;
    bool holds = false;

    if (cel_uses_old(rule->rule) && old == NULL)
        return;

    json_auto_t *shown =
        json_string(schema->type == SCHEMA_ANY ? word_of(value) : type_words[schema->type]);
    int result = cel_eval(rule->rule, value, old, &holds, &err);

    if (result == 0 && holds)
        return;

    size_t mark = v->path.len;

    if (rule->field_path != NULL)
        field_push_name(&v->path, rule->field_path + (rule->field_path[0] == '.'));
    if (result == -1)
        cause_add(v->causes, CAUSE_INVALID, field_text(&v->path), shown, "%s evaluating rule: %s",
                  err->msg, rule->message != NULL ? rule->message : rule->source);
    else if (rule->message != NULL)
        cause_add(v->causes, rule->reason, field_text(&v->path), shown, "%s", rule->message);
    else
        cause_add(v->causes, rule->reason, field_text(&v->path), shown, "failed rule: %s",
                  rule->source);
    field_pop(&v->path, mark);
}

static void run_rules(struct validator *v, const struct schema *schema, const json_t *value,
                      const json_t *old)
{
    const char *name;
    size_t i;
    json_t *member;

    if ((schema->flags & SCHEMA_HAS_RULES) == 0 || json_is_null(value))
        return;
    for (i = 0; schema->extra != NULL && i < schema->extra->rule_count; i++)
        run_rule(v, schema, &schema->extra->rules[i], value, old);
    if (json_is_object(value)) {
        json_object_foreach((json_t *)(uintptr_t)value, name, member)
        {
            const struct schema *field = schema_field(schema, name);

            if (field == NULL)
                continue;

            size_t mark = field_push_name(&v->path, name);

            run_rules(v, field, member, json_object_get(old, name));
            field_pop(&v->path, mark);
        }
    } else if (json_is_array(value) && schema->items != NULL) {
        json_array_foreach(value, i, member)
        {
            size_t mark = field_push_index(&v->path, i);

            run_rules(v, schema->items, member, find_same_keys(schema, old, member));
            field_pop(&v->path, mark);
        }
    }
}

static bool blocks_rules(const struct cause_list *causes, size_t from)
{
    for (size_t i = from; i < causes->len; i++) {
        enum cause_reason reason = causes->ptr[i].reason;

        if (reason == CAUSE_NOT_SUPPORTED || reason == CAUSE_REQUIRED || reason == CAUSE_TOO_LONG ||
            reason == CAUSE_TOO_MANY || reason == CAUSE_TYPE_INVALID)
            return true;
    }
    return false;
}

void schema_validate(const struct schema *schema, const json_t *object, const json_t *old,
                     struct cause_list *causes)
{
    struct validator v = {.causes = causes, .path = FIELD_PATH_INIT};
    size_t before = causes->len;

    validate(&v, schema, object);
    if ((schema->flags & SCHEMA_HAS_LISTS) != 0)
        schema_check_lists(schema, object, causes);
    if ((schema->flags & SCHEMA_HAS_RULES) != 0) {
        if (blocks_rules(causes, before)) {
            json_auto_t *null = json_null();

            cause_add(causes, CAUSE_INVALID, "<nil>", null,
                      "some validation rules were not checked because the object was invalid; "
                      "correct the existing errors to complete validation");
        } else {
            run_rules(&v, schema, object, old);
        }
    }
    buf_reset(&v.path);
}
