#include "kube/schema.h"

#include "base/test.h"
#include "base/text.h"
#include "data/obj.h"

#include <stdlib.h>

static json_t *parse(const char *text)
{
    CLEANUP(error) struct error *err = NULL;
    json_t *value = obj_parse(text, strlen(text), &err);

    if (value == NULL)
        test_fail(__FILE__, __LINE__, "%s: %s", text, err->msg);
    return value;
}

static const struct schema *compile(struct schema_pool *pool, const char *spec)
{
    CLEANUP(cause_list) struct cause_list causes = {0};
    CLEANUP(str) char *text = xasprintf("{\"type\":\"object\",\"properties\":{\"spec\":%s}}", spec);
    json_auto_t *openapi = parse(text);
    const struct schema *schema = schema_compile(pool, openapi, "schema", &causes);

    if (schema == NULL)
        test_fail(__FILE__, __LINE__, "%s: %s", spec, cause_list_format(&causes));
    return schema;
}

/* {"spec": VALUE} as text. */
static json_t *object(const char *value)
{
    CLEANUP(str) char *text = xasprintf("{\"spec\":%s}", value);

    return parse(text);
}

static void check_spec(const json_t *o, const char *want, const char *what)
{
    json_auto_t *expected = object(want);
    CLEANUP(str) char *got = obj_format(o);

    if (!obj_eq(o, expected))
        test_fail(__FILE__, __LINE__, "%s gives %s, not %s", what, got, want);
}

TEST(prunes_what_is_not_known)
{
    static const struct {
        const char *schema, *in, *out, *unknown;
    } cases[] = {
        {"{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"string\"}}}",
         "{\"a\":\"x\",\"b\":1}", "{\"a\":\"x\"}", "spec.b"},
        {"{\"type\":\"object\"}", "{\"a\":{}}", "{}", "spec.a"},
        {"{\"type\":\"object\",\"x-kubernetes-preserve-unknown-fields\":true,"
         "\"properties\":{\"a\":{\"type\":\"object\"}}}",
         "{\"a\":{\"b\":1},\"c\":1}", "{\"a\":{},\"c\":1}", "spec.a.b"},
        {"{\"type\":\"array\",\"items\":{\"type\":\"object\",\"properties\":"
         "{\"a\":{\"type\":\"string\"}}}}",
         "[{},{\"b\":1}]", "[{},{}]", "spec[1].b"},
        {"{\"type\":\"object\",\"additionalProperties\":{\"type\":\"object\",\"properties\":"
         "{\"a\":{\"type\":\"string\"}}}}",
         "{\"x\":{\"a\":\"\",\"b\":1}}", "{\"x\":{\"a\":\"\"}}", "spec.x.b"},
        {"{\"type\":\"object\",\"additionalProperties\":true}", "{\"x\":{\"a\":1}}",
         "{\"x\":{\"a\":1}}", NULL},
        {"{\"type\":\"object\",\"x-kubernetes-embedded-resource\":true}",
         "{\"apiVersion\":\"v1\",\"kind\":\"X\",\"metadata\":{\"name\":\"a\",\"nope\":1},\"b\":1}",
         "{\"apiVersion\":\"v1\",\"kind\":\"X\",\"metadata\":{\"name\":\"a\"}}",
         "spec.metadata.nope"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(schema_pool) struct schema_pool *pool = schema_pool_new();
        const struct schema *schema = compile(pool, cases[i].schema);
        json_auto_t *o = object(cases[i].in);
        struct str_list unknown = {0};

        schema_prune(schema, o, &unknown);
        check_spec(o, cases[i].out, cases[i].in);
        CHECK_STR(unknown.len > 0 ? unknown.ptr[0] : NULL, cases[i].unknown);
        str_list_free_all(&unknown);

        schema_prune(schema, o, &unknown);
        check_spec(o, cases[i].out, "pruning twice");
        CHECK_U64(unknown.len, 0);
    }
}

TEST(fills_in_defaults)
{
    static const struct {
        const char *schema, *in, *out;
    } cases[] = {
        {"{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"boolean\",\"default\":true}}}",
         "{}", "{\"a\":true}"},
        {"{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"boolean\",\"default\":true}}}",
         "{\"a\":false}", "{\"a\":false}"},
        {"{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"boolean\",\"default\":true}}}",
         "{\"a\":null}", "{\"a\":true}"},
        {"{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"string\"}}}", "{\"a\":null}",
         "{}"},
        {"{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"string\",\"nullable\":true,"
         "\"default\":\"x\"}}}",
         "{\"a\":null}", "{\"a\":null}"},
        {"{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"object\",\"default\":{},"
         "\"properties\":{\"b\":{\"type\":\"integer\",\"default\":3}}}}}",
         "{}", "{\"a\":{\"b\":3}}"},
        {"{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"object\",\"properties\":"
         "{\"b\":{\"type\":\"integer\",\"default\":3}}}}}",
         "{}", "{}"},
        {"{\"type\":\"array\",\"items\":{\"type\":\"object\",\"properties\":{\"b\":"
         "{\"type\":\"integer\",\"default\":3}}}}",
         "[{},{\"b\":1}]", "[{\"b\":3},{\"b\":1}]"},
        {"{\"type\":\"object\",\"additionalProperties\":{\"type\":\"object\",\"properties\":"
         "{\"b\":{\"type\":\"integer\",\"default\":3}}}}",
         "{\"k\":{}}", "{\"k\":{\"b\":3}}"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(schema_pool) struct schema_pool *pool = schema_pool_new();
        const struct schema *schema = compile(pool, cases[i].schema);
        json_auto_t *o = object(cases[i].in);

        schema_default(schema, o);
        check_spec(o, cases[i].out, cases[i].in);
        schema_default(schema, o);
        check_spec(o, cases[i].out, "defaulting twice");
    }
}

static char *causes_of(const char *spec, const char *value, const char *old_value)
{
    CLEANUP(schema_pool) struct schema_pool *pool = schema_pool_new();
    CLEANUP(cause_list) struct cause_list causes = {0};
    const struct schema *schema = compile(pool, spec);
    json_auto_t *o = object(value);
    json_auto_t *old = old_value != NULL ? object(old_value) : NULL;

    schema_validate(schema, o, old, &causes);

    struct buf text = BUF_INIT(65536);

    for (size_t i = 0; i < causes.len; i++)
        buf_printf(&text, "%s%s %s: %s", i > 0 ? "\n" : "", cause_reason_name(causes.ptr[i].reason),
                   causes.ptr[i].field, causes.ptr[i].message);
    return buf_take(&text);
}

#define OBJECT(properties) "{\"type\":\"object\",\"properties\":{" properties "}}"
#define RULE(type, rule, message)                                                                  \
    "{\"type\":\"" type "\",\"x-kubernetes-validations\":[{\"rule\":\"" rule                       \
    "\",\"message\":\"" message "\"}]}"

TEST(says_what_is_wrong_in_the_servers_words)
{
    static const struct {
        const char *schema, *value, *causes;
    } cases[] = {
        {"{\"type\":\"integer\"}", "\"x\"",
         "FieldValueTypeInvalid spec: Invalid value: \"string\": spec in body must be of type "
         "integer: \"string\""},
        {"{\"type\":\"integer\"}", "1.0", ""},
        {"{\"type\":\"integer\"}", "1.5",
         "FieldValueTypeInvalid spec: Invalid value: \"number\": spec in body must be of type "
         "integer: \"number\""},
        {"{\"type\":\"string\"}", "null",
         "FieldValueTypeInvalid spec: Invalid value: \"null\": spec in body must be of type "
         "string: \"null\""},
        {"{\"type\":\"string\",\"nullable\":true,\"enum\":[\"a\"]}", "null", ""},
        {"{\"x-kubernetes-int-or-string\":true,\"anyOf\":[{\"type\":\"integer\"},"
         "{\"type\":\"string\"}],\"pattern\":\"^[0-9]+$\"}",
         "\"7a\"",
         "FieldValueInvalid spec: Invalid value: \"7a\": spec in body should match '^[0-9]+$'"},
        {"{\"x-kubernetes-int-or-string\":true}", "true",
         "FieldValueTypeInvalid spec: Invalid value: \"boolean\": spec in body must be of type "
         "integer,string: \"boolean\""},
        {"{\"type\":\"object\",\"required\":[\"a\",\"b\"],\"properties\":{\"a\":{\"type\":"
         "\"string\"},\"b\":{\"type\":\"string\"}}}",
         "{\"b\":\"\"}", "FieldValueRequired spec.a: Required value"},
        {"{\"type\":\"string\",\"enum\":[\"pod\",\"multus\"]}", "\"x\"",
         "FieldValueNotSupported spec: Unsupported value: \"x\": supported values: \"pod\", "
         "\"multus\""},
        {"{\"type\":\"string\",\"minLength\":1}", "\"\"",
         "FieldValueInvalid spec: Invalid value: \"\": spec in body should be at least 1 chars "
         "long"},
        {"{\"type\":\"string\",\"maxLength\":2}", "\"abc\"",
         "FieldValueTooLong spec: Too long: may not be more than 2 bytes"},
        {"{\"type\":\"string\",\"maxLength\":2}", "\"\xc3\xa9\xc3\xa9\"", ""},
        {"{\"type\":\"integer\",\"minimum\":1}", "0",
         "FieldValueInvalid spec: Invalid value: 0: spec in body should be greater than or equal "
         "to 1"},
        {"{\"type\":\"integer\",\"maximum\":1,\"exclusiveMaximum\":true}", "1",
         "FieldValueInvalid spec: Invalid value: 1: spec in body should be less than 1"},
        {"{\"type\":\"integer\",\"format\":\"int32\"}", "3000000000",
         "FieldValueInvalid spec: Invalid value: 3000000000: spec in body must be of type integer "
         "with format int32"},
        {"{\"type\":\"array\",\"maxItems\":1,\"items\":{\"type\":\"string\"}}", "[\"a\",\"b\"]",
         "FieldValueTooMany spec: Too many: 2: must have at most 1 item"},
        {"{\"type\":\"array\",\"minItems\":1,\"items\":{\"type\":\"string\"}}", "[]",
         "FieldValueInvalid spec: Invalid value: 0: spec in body should have at least 1 items"},
        {"{\"type\":\"string\",\"format\":\"date-time\"}", "\"yesterday\"",
         "FieldValueTypeInvalid spec: Invalid value: \"yesterday\": spec in body must be of type "
         "date-time: \"yesterday\""},
        {"{\"type\":\"string\",\"format\":\"date-time\"}", "\"2026-01-02T03:04:05Z\"", ""},
        {"{\"type\":\"string\",\"format\":\"byte\"}", "\"YQ=\"",
         "FieldValueTypeInvalid spec: Invalid value: \"YQ=\": spec in body must be of type byte: "
         "\"YQ=\""},
        {"{\"type\":\"array\",\"x-kubernetes-list-type\":\"set\",\"items\":{\"type\":\"string\"}}",
         "[\"a\",\"b\",\"a\"]", "FieldValueDuplicate spec[2]: Duplicate value: \"a\""},
        {"{\"type\":\"array\",\"x-kubernetes-list-type\":\"map\",\"x-kubernetes-list-map-keys\":"
         "[\"n\"],\"items\":" OBJECT("\"n\":{\"type\":\"string\"},\"v\":{\"type\":\"string\"}") "}",
         "[{\"n\":\"a\",\"v\":\"1\"},{\"n\":\"a\",\"v\":\"2\"}]",
         "FieldValueDuplicate spec[1]: Duplicate value: map[string]interface {}{\"n\":\"a\"}"},
        {"{\"type\":\"string\",\"oneOf\":[{\"enum\":[\"a\"]},{\"maxLength\":1}]}", "\"a\"",
         "FieldValueInvalid spec: Invalid value: \"a\": \"spec\" must validate one and only one "
         "schema (oneOf)"},
        {"{\"type\":\"string\",\"anyOf\":[{\"enum\":[\"a\"]},{\"maxLength\":1}]}", "\"bb\"",
         "FieldValueInvalid spec: Invalid value: \"bb\": \"spec\" must validate at least one "
         "schema (anyOf)"},
        {"{\"type\":\"string\",\"not\":{\"enum\":[\"a\"]}}", "\"a\"",
         "FieldValueInvalid spec: Invalid value: \"a\": \"spec\" must not validate the schema "
         "(not)"},
        {OBJECT("\"m\":" RULE("array\",\"items\":{\"type\":\"string\"},\"x\":\"",
                              "self.all(a, a in ['A'])", "only A")),
         "{\"m\":[\"B\"]}", "FieldValueInvalid spec.m: Invalid value: \"array\": only A"},
        {OBJECT("\"m\":" RULE("string", "self.startsWith('/')", "bad path")), "{\"m\":\"a\"}",
         "FieldValueInvalid spec.m: Invalid value: \"string\": bad path"},
        {OBJECT("\"m\":" RULE("string", "self == 'a'", "must be a") ",\"n\":{\"type\":\"string\"}"),
         "{\"m\":\"b\",\"n\":1}",
         "FieldValueTypeInvalid spec.n: Invalid value: \"integer\": spec.n in body must be of type "
         "string: \"integer\"\nFieldValueInvalid <nil>: Invalid value: \"null\": some validation "
         "rules were not checked because the object was invalid; correct the existing errors to "
         "complete validation"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(str) char *got = causes_of(cases[i].schema, cases[i].value, NULL);

        CHECK_STR(got, cases[i].causes);
    }
}

TEST(runs_rules_with_the_old_value_on_updates_only)
{
    const char *schema = OBJECT("\"m\":" RULE("string", "self == oldSelf", "is fixed"));
    CLEANUP(str) char *created = causes_of(schema, "{\"m\":\"a\"}", NULL);
    CLEANUP(str) char *added = causes_of(schema, "{\"m\":\"a\"}", "{}");
    CLEANUP(str) char *changed = causes_of(schema, "{\"m\":\"a\"}", "{\"m\":\"b\"}");

    CHECK_STR(created, "");
    CHECK_STR(added, "");
    CHECK_STR(changed, "FieldValueInvalid spec.m: Invalid value: \"string\": is fixed");
}

TEST(refuses_schemas_that_are_not_structural)
{
    static const struct {
        const char *schema, *causes;
    } cases[] = {
        {"{\"properties\":{}}",
         "schema.type: Required value: must not be empty for specified object fields"},
        {"{\"type\":\"list\"}",
         "schema.type: Unsupported value: \"list\": supported values: \"array\", \"boolean\", "
         "\"integer\", \"number\", \"object\", \"string\""},
        {"{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"array\"}}}",
         "schema.properties[a].items: Required value: must be specified"},
        {"{\"type\":\"object\",\"$ref\":\"x\"}", "schema.$ref: Forbidden: is not supported"},
        {"{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"array\",\"items\":{\"type\":"
         "\"object\"},\"x-kubernetes-list-type\":\"map\"}}}",
         "schema.properties[a].x-kubernetes-list-map-keys: Required value: must not be empty if "
         "x-kubernetes-list-type is map"},
        {"{\"type\":\"object\",\"x-kubernetes-validations\":[{\"rule\":\"f(self)\"}]}",
         "schema.x-kubernetes-validations[0].rule: Invalid value: \"f(self)\": the function "
         "\"f\" is not supported"},
        {"{\"type\":\"object\",\"properties\":[]}", NULL},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(schema_pool) struct schema_pool *pool = schema_pool_new();
        CLEANUP(cause_list) struct cause_list causes = {0};
        json_auto_t *openapi = parse(cases[i].schema);
        const struct schema *schema = schema_compile(pool, openapi, "schema", &causes);
        CLEANUP(str) char *text = cause_list_format(&causes);

        CHECK((schema == NULL) == (cases[i].causes != NULL));
        if (cases[i].causes != NULL)
            CHECK_STR(text, cases[i].causes);
    }
}

TEST(bounds_the_nesting_of_schemas)
{
    CLEANUP(schema_pool) struct schema_pool *pool = schema_pool_new();
    CLEANUP(cause_list) struct cause_list causes = {0};
    json_t *openapi = obj_pack("{s:s}", "type", "object");

    for (int i = 0; i < SCHEMA_MAX_DEPTH + 2; i++)
        openapi = obj_pack("{s:s, s:{s:o}}", "type", "object", "properties", "a", openapi);
    CHECK(schema_compile(pool, openapi, "s", &causes) == NULL);
    CHECK(strstr(causes.ptr[0].message, "must not nest so deeply") != NULL);
    json_decref(openapi);
}

TEST(shares_equal_subtrees)
{
    CLEANUP(schema_pool) struct schema_pool *pool = schema_pool_new();
    const char *schema = OBJECT("\"a\":" OBJECT("\"x\":{\"type\":\"string\"}") ",\"b\":" OBJECT(
        "\"x\":{\"type\":\"string\",\"description\":\"of b\"}"));
    struct schema_pool_stats before, after;
    const struct schema *one = compile(pool, schema);

    CHECK(schema_field(schema_field(one, "spec"), "a") ==
          schema_field(schema_field(one, "spec"), "b"));
    schema_pool_get_stats(pool, &before);
    CHECK(compile(pool, schema) == one);
    schema_pool_get_stats(pool, &after);
    CHECK_U64(after.bytes, before.bytes);
    CHECK(after.nodes_seen > before.nodes_seen);
}
