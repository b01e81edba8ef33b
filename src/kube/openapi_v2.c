/* OpenAPI v2 as the protobuf messages of openapi.v2 (gnostic), for kubectl before 1.29: it reads
 * the definitions to validate, to explain and to make patches, and one patch operation per kind to
 * find out which query parameters there are.
 *
 * A nested message is written into a buffer of its own, whose length is then known.
 */
#include "kube/openapi.h"

#include "base/array.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "data/obj.h"
#include "kube/openapi_names.h"
#include "kube/schema.h"

#include <string.h>

enum { WIRE_BYTES = 2 };

/* Field numbers, by message. */
enum { DOCUMENT_SWAGGER = 1, DOCUMENT_INFO = 2, DOCUMENT_PATHS = 8, DOCUMENT_DEFINITIONS = 9 };
enum { INFO_TITLE = 1, INFO_VERSION = 2 };
enum { PATHS_PATH = 2, NAMED_NAME = 1, NAMED_VALUE = 2, PATH_ITEM_PATCH = 8 };
enum { OPERATION_PARAMETERS = 8, OPERATION_RESPONSES = 9, OPERATION_EXTENSION = 13 };
enum { ITEM_PARAMETER = 1, PARAMETER_NON_BODY = 2, NON_BODY_QUERY = 3 };
enum { QUERY_IN = 2, QUERY_NAME = 4, QUERY_TYPE = 6 };
enum { RESPONSES_CODE = 1, RESPONSE_VALUE = 1, RESPONSE_DESCRIPTION = 1 };
enum { DEFINITIONS_SCHEMA = 1, ANY_YAML = 2, STRINGS_VALUE = 1 };
enum {
    SCHEMA_REF = 1,
    SCHEMA_FORMAT = 2,
    SCHEMA_DESCRIPTION = 4,
    SCHEMA_REQUIRED = 19,
    SCHEMA_ADDITIONAL = 21,
    SCHEMA_TYPE = 22,
    SCHEMA_ITEMS = 23,
    SCHEMA_PROPERTIES = 25,
    SCHEMA_EXTENSION = 31,
};

struct context {
    bool is_builtin; /* members of open objects are shown: kubectl makes patches by them */
};

static void add_varint(struct buf *out, uint64_t value)
{
    for (; value >= 0x80; value >>= 7)
        buf_add_char(out, (char)(value | 0x80));
    buf_add_char(out, (char)value);
}

static void add_bytes(struct buf *out, unsigned field, struct span bytes)
{
    add_varint(out, field << 3 | WIRE_BYTES);
    add_varint(out, bytes.len);
    buf_add_span(out, bytes);
}

static void add_text(struct buf *out, unsigned field, const char *text)
{
    if (text != NULL)
        add_bytes(out, field, span_of(text));
}

/* Adds what is in PART and empties it. */
static void add_part(struct buf *out, unsigned field, struct buf *part)
{
    add_bytes(out, field, buf_span(part));
    if (part->full)
        out->full = true;
    buf_reset(part);
}

static struct buf part_new(void)
{
    return BUF_INIT(OPENAPI_MAX_BYTES);
}

/* NamedAny {name, Any {yaml}}; JSON is YAML. */
static void add_extension(struct buf *out, unsigned field, const char *name, const json_t *value)
{
    struct buf named = part_new(), any = part_new();
    CLEANUP(str) char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT | JSON_SORT_KEYS);

    add_text(&any, ANY_YAML, text);
    add_text(&named, NAMED_NAME, name);
    add_part(&named, NAMED_VALUE, &any);
    add_part(out, field, &named);
}

static void add_schema(struct buf *out, const struct context *c, const json_t *in, unsigned depth);

static void add_child(struct buf *out, const struct context *c, unsigned field, const json_t *in,
                      unsigned depth)
{
    struct buf part = part_new();

    add_schema(&part, c, in, depth + 1);
    add_part(out, field, &part);
}

static void add_named_schema(struct buf *out, const struct context *c, unsigned field,
                             const char *name, const json_t *in, unsigned depth)
{
    struct buf named = part_new();

    add_text(&named, NAMED_NAME, name);
    add_child(&named, c, NAMED_VALUE, in, depth);
    add_part(out, field, &named);
}

static void add_properties(struct buf *out, const struct context *c, const json_t *properties,
                           unsigned depth)
{
    struct buf list = part_new();
    const char *name;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)properties, name, value)
        add_named_schema(&list, c, DEFINITIONS_SCHEMA, name, value, depth);
    add_part(out, SCHEMA_PROPERTIES, &list);
}

static void add_children(struct buf *out, const struct context *c, const json_t *in, bool is_open,
                         unsigned depth)
{
    json_t *additional = json_object_get(in, "additionalProperties");
    json_t *items = json_object_get(in, "items"), *required, *item;
    json_t *properties = obj_obj(in, "properties");
    size_t i;

    if (json_object_size(properties) > 0 && !is_open)
        add_properties(out, c, properties, depth);
    json_array_foreach(obj_arr(in, "allOf"), i, item) if (json_object_get(item, "$ref") != NULL)
        add_text(out, SCHEMA_REF, obj_str(item, "$ref", ""));
    if (json_is_object(additional)) {
        struct buf part = part_new();

        add_child(&part, c, STRINGS_VALUE, additional, depth);
        add_part(out, SCHEMA_ADDITIONAL, &part);
    }
    if (json_is_object(items)) {
        struct buf part = part_new();

        add_child(&part, c, STRINGS_VALUE, items, depth);
        add_part(out, SCHEMA_ITEMS, &part);
    }
    if (is_open)
        return;
    json_array_foreach(obj_arr(in, "required"), i, required)
        add_text(out, SCHEMA_REQUIRED, json_string_value(required));
}

/* What version 2 cannot say (null, one of two types) is said by leaving the type out. */
static void add_schema(struct buf *out, const struct context *c, const json_t *in, unsigned depth)
{
    static const char *const extensions[] = {
        "x-kubernetes-group-version-kind", "x-kubernetes-int-or-string",
        "x-kubernetes-list-type",          "x-kubernetes-list-map-keys",
        "x-kubernetes-map-type",           "x-kubernetes-patch-merge-key",
        "x-kubernetes-patch-strategy",     "x-kubernetes-preserve-unknown-fields",
    };
    const char *type = obj_str(in, "type", NULL);
    bool is_open =
        !c->is_builtin && json_is_true(json_object_get(in, "x-kubernetes-preserve-unknown-fields"));
    bool nullable = json_is_true(json_object_get(in, "nullable"));

    if (depth > SCHEMA_MAX_DEPTH)
        return;
    add_text(out, SCHEMA_FORMAT, obj_str(in, "format", NULL));
    add_text(out, SCHEMA_DESCRIPTION, obj_str(in, "description", NULL));
    add_children(out, c, in, is_open || (nullable && str_eq(type, "array")), depth);
    if (type != NULL && !nullable) {
        struct buf part = part_new();

        add_text(&part, STRINGS_VALUE, type);
        add_part(out, SCHEMA_TYPE, &part);
    }
    for (size_t i = 0; i < ARRAY_SIZE(extensions); i++)
        if (json_object_get(in, extensions[i]) != NULL)
            add_extension(out, SCHEMA_EXTENSION, extensions[i], json_object_get(in, extensions[i]));
}

static void add_query(struct buf *operation, const char *name)
{
    struct buf query = part_new(), non_body = part_new(), parameter = part_new();
    struct buf item = part_new();

    add_text(&query, QUERY_IN, "query");
    add_text(&query, QUERY_NAME, name);
    add_text(&query, QUERY_TYPE, "string");
    add_part(&non_body, NON_BODY_QUERY, &query);
    add_part(&parameter, PARAMETER_NON_BODY, &non_body);
    add_part(&item, ITEM_PARAMETER, &parameter);
    add_part(operation, OPERATION_PARAMETERS, &item);
}

static void add_response(struct buf *operation)
{
    struct buf response = part_new(), value = part_new(), named = part_new();
    struct buf responses = part_new();

    add_text(&response, RESPONSE_DESCRIPTION, "OK");
    add_part(&value, RESPONSE_VALUE, &response);
    add_text(&named, NAMED_NAME, "200");
    add_part(&named, NAMED_VALUE, &value);
    add_part(&responses, RESPONSES_CODE, &named);
    add_part(operation, OPERATION_RESPONSES, &responses);
}

static void add_path(struct buf *paths, const json_t *definition, const char *version)
{
    struct buf operation = part_new(), item = part_new(), named = part_new();
    CLEANUP(str) char *path = openapi_object_path(definition, version);
    json_auto_t *gvk = openapi_gvk(definition, version);

    add_query(&operation, "dryRun");
    add_query(&operation, "fieldManager");
    add_query(&operation, "fieldValidation");
    add_query(&operation, "force");
    add_response(&operation);
    add_extension(&operation, OPERATION_EXTENSION, "x-kubernetes-group-version-kind", gvk);
    add_part(&item, PATH_ITEM_PATCH, &operation);
    add_text(&named, NAMED_NAME, path);
    add_part(&named, NAMED_VALUE, &item);
    add_part(paths, PATHS_PATH, &named);
}

static void add_definition(struct buf *definitions, struct buf *paths, const json_t *definition)
{
    struct context c = {.is_builtin = obj_bool(definition, "spec.x-gantry-builtin", false)};
    json_t *version;
    size_t i;

    json_array_foreach(obj_arr(definition, "spec.versions"), i, version)
    {
        const char *name = obj_str(version, "name", "");

        if (!openapi_is_served(version))
            continue;

        CLEANUP(str) char *model = openapi_model_name(definition, name);
        json_auto_t *root = openapi_root(definition, version, "#/definitions/");

        add_named_schema(definitions, &c, DEFINITIONS_SCHEMA, model, root, 0);
        add_path(paths, definition, name);
    }
}

int openapi_v2(const struct openapi_source *source, struct buf *out, struct error **err)
{
    struct context c = {.is_builtin = true};
    struct buf info = part_new(), paths = part_new(), definitions = part_new();
    json_auto_t *meta = openapi_meta();
    json_t *definition;

    add_named_schema(&definitions, &c, DEFINITIONS_SCHEMA, OPENAPI_META, meta, 0);
    while ((definition = source->next(source->arg)) != NULL) {
        add_definition(&definitions, &paths, definition);
        json_decref(definition);
    }
    add_text(&info, INFO_TITLE, "Kubernetes");
    add_text(&info, INFO_VERSION, GANTRY_VERSION);
    add_text(out, DOCUMENT_SWAGGER, "2.0");
    add_part(out, DOCUMENT_INFO, &info);
    add_part(out, DOCUMENT_PATHS, &paths);
    add_part(out, DOCUMENT_DEFINITIONS, &definitions);
    return buf_check(out, err);
}
