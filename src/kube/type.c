#include "kube/type.h"

#include "base/array.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "data/obj.h"
#include "kube/builtin.h"
#include "kube/schema.h"
#include "kube/table.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_VERSIONS = 50 };

/* "v1" is newer than "v1beta2", that than "v1beta1" and "v1alpha1", and those than other names. */
struct version_rank {
    int stage; /* 3 stable, 2 beta, 1 alpha, 0 no such name */
    unsigned long major, minor;
};

static struct version_rank rank_of(const char *name)
{
    struct version_rank none = {0}, rank = {.stage = 3};
    char *end;

    if (name[0] != 'v' || !isdigit((unsigned char)name[1]))
        return none;
    rank.major = strtoul(name + 1, &end, 10);
    if (*end == '\0')
        return rank;
    if (str_starts_with(end, "beta"))
        rank.stage = 2;
    else if (str_starts_with(end, "alpha"))
        rank.stage = 1;
    else
        return none;
    end += rank.stage == 2 ? strlen("beta") : strlen("alpha");
    if (!isdigit((unsigned char)*end))
        return none;
    rank.minor = strtoul(end, &end, 10);
    return *end == '\0' ? rank : none;
}

static int by_preference(const void *a, const void *b)
{
    const struct kube_version *x = a, *y = b;
    struct version_rank p = rank_of(x->name), q = rank_of(y->name);

    if (p.stage != q.stage)
        return q.stage - p.stage;
    if (p.major != q.major)
        return p.major < q.major ? 1 : -1;
    if (p.minor != q.minor)
        return p.minor < q.minor ? 1 : -1;
    return strcmp(x->name, y->name);
}

static void read_scale_path(const json_t *scale, const char *name, const char *field,
                            struct json_path **out, struct cause_list *causes)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(str) char *inner = xasprintf("%s.subresources.scale.%s", field, name);
    const char *path = obj_str(scale, name, NULL);

    if (path == NULL) {
        if (strcmp(name, "labelSelectorPath") != 0)
            cause_add(causes, CAUSE_REQUIRED, inner, NULL, NULL);
        return;
    }
    *out = json_path_compile(path, &err);
    if (*out == NULL)
        cause_add(causes, CAUSE_INVALID, inner, json_object_get(scale, name), "%s", err->msg);
}

static void read_subresources(struct kube_version *version, const json_t *in, const char *field,
                              struct cause_list *causes)
{
    json_t *scale = obj_obj(in, "subresources.scale");
    const char *spec_path = obj_str(scale, "specReplicasPath", "");

    version->has_status = obj_obj(in, "subresources.status") != NULL;
    version->has_scale = scale != NULL;
    if (scale == NULL)
        return;
    read_scale_path(scale, "specReplicasPath", field, &version->scale_spec_path, causes);
    read_scale_path(scale, "statusReplicasPath", field, &version->scale_status_path, causes);
    read_scale_path(scale, "labelSelectorPath", field, &version->scale_selector_path, causes);
    version->scale_spec_field = xstrdup(spec_path + (spec_path[0] == '.'));
}

static void read_version(struct kube_version *version, const struct kube_type *type,
                         struct schema_pool *pool, const json_t *in, const char *field,
                         struct cause_list *causes)
{
    CLEANUP(str) char *schema_field_name = xasprintf("%s.schema.openAPIV3Schema", field);
    CLEANUP(str) char *columns_field = xasprintf("%s.additionalPrinterColumns", field);
    json_t *openapi = obj_obj(in, "schema.openAPIV3Schema");
    const char *warning = obj_str(in, "deprecationWarning", NULL);

    version->name = xstrdup(obj_str(in, "name", ""));
    version->served = obj_bool(in, "served", false);
    version->storage = obj_bool(in, "storage", false);
    version->deprecated = obj_bool(in, "deprecated", false);
    if (version->deprecated)
        version->deprecation_warning =
            warning != NULL
                ? xstrdup(warning)
                : xasprintf("%s/%s %s is deprecated", type->group, version->name, type->kind);
    if (openapi == NULL)
        cause_add(causes, CAUSE_REQUIRED, schema_field_name, NULL, "schemas are required");
    else
        version->schema = schema_compile(pool, openapi, schema_field_name, causes);
    if (openapi != NULL && !str_eq(obj_str(openapi, "type", "object"), "object"))
        cause_add(causes, CAUSE_INVALID, schema_field_name, json_object_get(openapi, "type"),
                  "must be object at the root");
    version->columns =
        table_columns_new(obj_arr(in, "additionalPrinterColumns"), columns_field, causes);
    read_subresources(version, in, field, causes);
}

static void read_words(struct str_list *to, const json_t *list)
{
    json_t *item;
    size_t i;

    json_array_foreach(list, i, item) if (json_is_string(item))
        str_list_push(to, xstrdup(json_string_value(item)));
}

static const struct {
    const char *name;
    enum type_verb verb;
} verbs[] = {
    {"get", VERB_GET},       {"list", VERB_LIST},
    {"watch", VERB_WATCH},   {"create", VERB_CREATE},
    {"update", VERB_UPDATE}, {"patch", VERB_PATCH},
    {"delete", VERB_DELETE}, {"deletecollection", VERB_DELETE_COLLECTION},
};

/* What built-in kinds say beside what a CustomResourceDefinition can. */
static void read_extras(struct kube_type *type, const json_t *spec)
{
    json_t *list = obj_arr(spec, "x-gantry-verbs"), *item;
    const char *rules = obj_str(spec, "x-gantry-rules", NULL);
    size_t i;

    type->is_custom = !obj_bool(spec, "x-gantry-builtin", false);
    type->has_generation = type->is_custom || obj_bool(spec, "x-gantry-generation", false);
    type->rules = rules != NULL ? builtin_rules_find(rules) : NULL;
    type->verbs = list == NULL ? VERB_ALL : 0;
    json_array_foreach(list, i, item) for (size_t v = 0; v < ARRAY_SIZE(verbs);
                                           v++) if (str_eq(json_string_value(item), verbs[v].name))
        type->verbs |= verbs[v].verb;
}

struct kube_type *kube_type_new(struct schema_pool *pool, const json_t *crd,
                                struct cause_list *causes)
{
    json_t *spec = obj_obj(crd, "spec"), *versions = obj_arr(spec, "versions"), *item;
    struct kube_type *type = xcalloc(1, sizeof(*type));
    size_t before = causes->len, i;

    type->group = xstrdup(obj_str(spec, "group", ""));
    type->plural = xstrdup(obj_str(spec, "names.plural", ""));
    type->kind = xstrdup(obj_str(spec, "names.kind", ""));
    type->namespaced = str_eq(obj_str(spec, "scope", ""), "Namespaced");
    type->singular = xstrdup(obj_str(spec, "names.singular", ""));
    type->list_kind = xstrdup(obj_str(spec, "names.listKind", ""));
    read_words(&type->short_names, obj_arr(spec, "names.shortNames"));
    read_words(&type->categories, obj_arr(spec, "names.categories"));
    read_extras(type, spec);
    if (json_array_size(versions) > MAX_VERSIONS)
        cause_add(causes, CAUSE_TOO_MANY, "spec.versions", NULL, "must have at most %d items",
                  MAX_VERSIONS);
    else
        type->version_count = json_array_size(versions);
    type->versions = xcalloc(type->version_count + 1, sizeof(*type->versions));
    for (i = 0; i < type->version_count; i++) {
        CLEANUP(str) char *field = xasprintf("spec.versions[%zu]", i);

        item = json_array_get(versions, i);
        read_version(&type->versions[i], type, pool, item, field, causes);
    }
    qsort(type->versions, type->version_count, sizeof(*type->versions), by_preference);
    if (causes->len == before)
        return type;
    kube_type_free(type);
    return NULL;
}

void kube_type_free(struct kube_type *type)
{
    if (type == NULL)
        return;
    for (size_t i = 0; i < type->version_count; i++) {
        struct kube_version *version = &type->versions[i];

        free(version->name);
        free(version->deprecation_warning);
        table_columns_free(version->columns);
        json_path_free(version->scale_spec_path);
        json_path_free(version->scale_status_path);
        json_path_free(version->scale_selector_path);
        free(version->scale_spec_field);
    }
    free(type->versions);
    free(type->group);
    free(type->plural);
    free(type->singular);
    free(type->kind);
    free(type->list_kind);
    str_list_free_all(&type->short_names);
    str_list_free_all(&type->categories);
    free(type);
}

const struct kube_version *kube_type_version(const struct kube_type *type, const char *name)
{
    for (size_t i = 0; i < type->version_count; i++)
        if (type->versions[i].served && strcmp(type->versions[i].name, name) == 0)
            return &type->versions[i];
    return NULL;
}
