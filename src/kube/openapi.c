#include "kube/openapi.h"

#include "base/array.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/vector.h"
#include "data/obj.h"
#include "kube/embed.h"
#include "kube/openapi_names.h"

#include <assert.h>
#include <string.h>

enum { NAME_MAX_BYTES = 4096 };

static const char *group_of(const json_t *definition)
{
    return obj_str(definition, "spec.group", "");
}

static const char *kind_of(const json_t *definition)
{
    return obj_str(definition, "spec.names.kind", "");
}

char *openapi_model_name(const json_t *definition, const char *version)
{
    struct buf name = BUF_INIT(NAME_MAX_BYTES);
    const char *group = group_of(definition), *end = group + strlen(group);

    if (strchr(group, '.') == NULL) {
        buf_printf(&name, "io.k8s.api.%s", group[0] != '\0' ? group : "core");
    } else {
        for (const char *start = end; start > group; end = start) {
            start = end;
            if (end < group + strlen(group))
                start = --end;
            while (start > group && start[-1] != '.')
                start--;
            if (name.len > 0)
                buf_add_char(&name, '.');
            buf_add_span(&name, (struct span){start, (size_t)(end - start)});
        }
    }
    buf_printf(&name, ".%s.%s", version, kind_of(definition));
    return buf_take(&name);
}

json_t *openapi_gvk(const json_t *definition, const char *version)
{
    return obj_pack("{s:s, s:s, s:s}", "group", group_of(definition), "version", version, "kind",
                    kind_of(definition));
}

static char *collection_path(const json_t *definition, const char *version)
{
    const char *group = group_of(definition);
    bool namespaced = str_eq(obj_str(definition, "spec.scope", ""), "Namespaced");

    return xasprintf("%s%s/%s%s/%s", group[0] != '\0' ? "/apis/" : "/api", group, version,
                     namespaced ? "/namespaces/{namespace}" : "",
                     obj_str(definition, "spec.names.plural", ""));
}

char *openapi_object_path(const json_t *definition, const char *version)
{
    CLEANUP(str) char *collection = collection_path(definition, version);

    return xasprintf("%s/{name}", collection);
}

json_t *openapi_meta(void)
{
    CLEANUP(error) struct error *err = NULL;
    json_t *meta = obj_parse(embed_object_meta.text, embed_object_meta.len, &err);

    assert(meta != NULL); /* our own data */
    return meta;
}

bool openapi_is_served(const json_t *version)
{
    return obj_bool(version, "served", false);
}

json_t *openapi_root(const json_t *definition, const json_t *version, const char *prefix)
{
    const char *name = obj_str(version, "name", "");
    json_t *schema = obj_obj(version, "schema.openAPIV3Schema");
    json_t *root = schema != NULL ? json_copy(schema) : obj_pack("{s:s}", "type", "object");
    json_t *properties = json_object(), *own = obj_obj(schema, "properties");
    CLEANUP(str) char *reference = xasprintf("%s%s", prefix, OPENAPI_META);

    json_object_set_new(properties, "apiVersion",
                        obj_pack("{s:s, s:s}", "description",
                                 "Group and version of the object, such as v1 or apps/v1.", "type",
                                 "string"));
    json_object_set_new(
        properties, "kind",
        obj_pack("{s:s, s:s}", "description", "Kind of the object.", "type", "string"));
    json_object_set_new(properties, "metadata",
                        obj_pack("{s:s, s:[{s:s}]}", "description",
                                 "Name, labels and what else all objects have.", "allOf", "$ref",
                                 reference));
    if (own != NULL)
        json_object_update_missing(properties, own);
    json_object_set_new(root, "properties", properties);
    json_object_set_new(root, "x-kubernetes-group-version-kind",
                        obj_pack("[o]", openapi_gvk(definition, name)));
    return root;
}

/* --- version 3 --- */

static json_t *parameter(const char *name, const char *where, const char *description)
{
    return obj_pack("{s:s, s:s, s:s, s:b, s:{s:s}}", "name", name, "in", where, "description",
                    description, "required", strcmp(where, "path") == 0, "schema", "type",
                    "string");
}

static json_t *write_parameters(void)
{
    return obj_pack(
        "[o, o, o]",
        parameter("dryRun", "query", "All to go through everything but storing the result."),
        parameter("fieldManager", "query", "Who writes, for the ownership of fields."),
        parameter("fieldValidation", "query",
                  "What happens about unknown and duplicate fields: Ignore, Warn or Strict."));
}

static json_t *body(const char *model, const char *const *types, size_t count)
{
    json_t *content = json_object();
    CLEANUP(str) char *reference = xasprintf("#/components/schemas/%s", model);

    for (size_t i = 0; i < count; i++)
        json_object_set_new(content, types[i], obj_pack("{s:{s:s}}", "schema", "$ref", reference));
    return obj_pack("{s:o}", "content", content);
}

static const char *const plain_types[] = {"application/json"};
static const char *const patch_types[] = {
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/apply-patch+yaml",
};

static void add_operation(json_t *path, const char *method, const char *action,
                          const json_t *definition, const char *version, const char *model)
{
    bool writes = strcmp(method, "get") != 0 && strcmp(method, "delete") != 0;
    bool patches = strcmp(method, "patch") == 0;
    json_t *answer = body(model, plain_types, ARRAY_SIZE(plain_types));
    json_t *operation =
        obj_pack("{s:s, s:o, s:{s:o}, s:o}", "x-kubernetes-action", action,
                 "x-kubernetes-group-version-kind", openapi_gvk(definition, version), "responses",
                 "200", answer, "parameters", writes ? write_parameters() : json_array());

    json_object_set_new(answer, "description", json_string("OK"));
    if (patches)
        json_array_append_new(
            obj_arr(operation, "parameters"),
            parameter("force", "query", "true to take over fields that others own."));
    if (patches)
        json_object_set_new(operation, "requestBody",
                            body(model, patch_types, ARRAY_SIZE(patch_types)));
    else if (writes)
        json_object_set_new(operation, "requestBody",
                            body(model, plain_types, ARRAY_SIZE(plain_types)));
    json_object_set_new(path, method, operation);
}

static json_t *path_item(const json_t *definition, bool has_name)
{
    json_t *parameters = json_array();

    if (has_name)
        json_array_append_new(parameters, parameter("name", "path", "Name of the object."));
    if (str_eq(obj_str(definition, "spec.scope", ""), "Namespaced"))
        json_array_append_new(parameters,
                              parameter("namespace", "path", "Namespace of the object."));
    return obj_pack("{s:o}", "parameters", parameters);
}

static bool has_verb(const json_t *definition, const char *verb)
{
    json_t *verbs = obj_arr(definition, "spec.x-gantry-verbs"), *item;
    size_t i;

    json_array_foreach(verbs, i, item) if (str_eq(json_string_value(item), verb)) return true;
    return verbs == NULL;
}

static void add_paths(json_t *paths, const json_t *definition, const char *version,
                      const char *model)
{
    CLEANUP(str) char *collection = collection_path(definition, version);
    CLEANUP(str) char *object = openapi_object_path(definition, version);
    json_t *all = path_item(definition, false), *one = path_item(definition, true);

    if (has_verb(definition, "list"))
        add_operation(all, "get", "list", definition, version, model);
    if (has_verb(definition, "create"))
        add_operation(all, "post", "post", definition, version, model);
    if (has_verb(definition, "get"))
        add_operation(one, "get", "get", definition, version, model);
    if (has_verb(definition, "update"))
        add_operation(one, "put", "put", definition, version, model);
    if (has_verb(definition, "patch"))
        add_operation(one, "patch", "patch", definition, version, model);
    if (has_verb(definition, "delete"))
        add_operation(one, "delete", "delete", definition, version, model);
    json_object_set_new(paths, collection, all);
    json_object_set_new(paths, object, one);
}

static void add_version(json_t *document, const json_t *definition, const json_t *version)
{
    const char *name = obj_str(version, "name", "");
    CLEANUP(str) char *model = openapi_model_name(definition, name);

    json_object_set_new(obj_obj(document, "components.schemas"), model,
                        openapi_root(definition, version, "#/components/schemas/"));
    add_paths(obj_obj(document, "paths"), definition, name, model);
}

int openapi_v3(const struct openapi_source *source, const char *group, const char *version,
               struct buf *out, struct error **err)
{
    json_auto_t *document = obj_pack(
        "{s:s, s:{s:s, s:s}, s:{}, s:{s:{s:o}}}", "openapi", "3.0.0", "info", "title", "Kubernetes",
        "version", GANTRY_VERSION, "paths", "components", "schemas", OPENAPI_META, openapi_meta());
    json_t *definition, *item;
    size_t i;

    while ((definition = source->next(source->arg)) != NULL) {
        if (str_eq(group_of(definition), group))
            json_array_foreach(obj_arr(definition, "spec.versions"), i,
                               item) if (openapi_is_served(item) &&
                                         str_eq(obj_str(item, "name", ""), version))
                add_version(document, definition, item);
        json_decref(definition);
    }
    obj_format_to(document, out);
    return buf_check(out, err);
}

json_t *openapi_v3_root(const char *const *keys, size_t count, const char *hash)
{
    json_t *paths = json_object();

    for (size_t i = 0; i < count; i++) {
        CLEANUP(str) char *url = xasprintf("/openapi/v3/%s?hash=%s", keys[i], hash);

        json_object_set_new(paths, keys[i], obj_pack("{s:s}", "serverRelativeURL", url));
    }
    return obj_pack("{s:o}", "paths", paths);
}
