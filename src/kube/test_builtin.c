#include "kube/builtin.h"

#include "base/test.h"
#include "base/text.h"
#include "data/obj.h"
#include "kube/schema.h"

#include <stdlib.h>

static json_t *parse(const char *text)
{
    CLEANUP(error) struct error *err = NULL;
    json_t *value = obj_parse(text, strlen(text), &err);

    if (value == NULL)
        test_fail(__FILE__, __LINE__, "%s: %s", text, err->msg);
    return value;
}

static struct kube_type *type_of(struct schema_pool *pool, const char *kind)
{
    for (size_t i = 0;; i++) {
        CLEANUP(cause_list) struct cause_list causes = {0};
        json_auto_t *definition = builtin_definition(i);

        if (definition == NULL)
            test_fail(__FILE__, __LINE__, "no kind %s", kind);
        if (str_eq(obj_str(definition, "spec.names.kind", ""), kind))
            return kube_type_new(pool, definition, &causes);
    }
}

/* Finds slips in our YAML: words that no schema has, and members without a description. */
static void check_node(const json_t *node, const char *where)
{
    static const char *const words[] = {
        "description",
        "type",
        "format",
        "properties",
        "items",
        "additionalProperties",
        "required",
        "enum",
        "default",
        "nullable",
        "minimum",
        "maximum",
        "minLength",
        "maxLength",
        "minItems",
        "maxItems",
        "pattern",
        "anyOf",
        "x-kubernetes-list-type",
        "x-kubernetes-list-map-keys",
        "x-kubernetes-map-type",
        "x-kubernetes-int-or-string",
        "x-kubernetes-patch-merge-key",
        "x-kubernetes-patch-strategy",
        "x-kubernetes-preserve-unknown-fields",
        "x-kubernetes-validations",
        "x-kubernetes-embedded-resource",
        "title",
        "allOf",
    };
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)node, key, value)
    {
        bool known = false;

        for (size_t i = 0; i < ARRAY_SIZE(words); i++)
            known |= strcmp(words[i], key) == 0;
        if (!known)
            test_fail(__FILE__, __LINE__, "%s has \"%s\"", where, key);
    }
    json_object_foreach(obj_obj(node, "properties"), key, value)
    {
        CLEANUP(str) char *inner = xasprintf("%s.%s", where, key);

        if (obj_str(value, "description", "")[0] == '\0' && !str_ends_with(where, ".x"))
            test_fail(__FILE__, __LINE__, "%s has no description", inner);
        check_node(value, inner);
    }
    if (obj_obj(node, "items") != NULL)
        check_node(obj_obj(node, "items"), where);
    if (json_is_object(json_object_get(node, "additionalProperties")))
        check_node(json_object_get(node, "additionalProperties"), where);
}

static void check_definition(struct schema_pool *pool, const json_t *definition, bool is_builtin)
{
    CLEANUP(cause_list) struct cause_list causes = {0};
    CLEANUP(kube_type) struct kube_type *type = kube_type_new(pool, definition, &causes);
    const char *kind = obj_str(definition, "spec.names.kind", "");
    json_t *version;
    size_t i;

    if (type == NULL)
        test_fail(__FILE__, __LINE__, "%s: %s", kind, cause_list_format(&causes));
    CHECK(type->is_custom == !is_builtin);
    CHECK((type->rules != NULL) == (obj_str(definition, "spec.x-gantry-rules", NULL) != NULL));
    json_array_foreach(obj_arr(definition, "spec.versions"), i, version)
        check_node(obj_obj(version, "schema.openAPIV3Schema"), kind);
    if (is_builtin)
        return;
    crd_validate(definition, NULL, pool, &causes);
    if (causes.len > 0)
        test_fail(__FILE__, __LINE__, "%s: %s", kind, cause_list_format(&causes));
}

TEST(all_definitions_are_sound)
{
    CLEANUP(schema_pool) struct schema_pool *pool = schema_pool_new();
    size_t count = 0;

    for (;; count++) {
        json_auto_t *definition = builtin_definition(count);

        if (definition == NULL)
            break;
        check_definition(pool, definition, true);
    }
    CHECK(count > 25);
    for (count = 0;; count++) {
        json_auto_t *definition = builtin_crd(count);

        if (definition == NULL)
            break;
        crd_default(definition);
        check_definition(pool, definition, false);
    }
}

static json_t *prepared(const struct kube_type *type, const char *text)
{
    json_t *object = parse(text);

    builtin_prepare_create(type, &type->versions[0], object, "u-1", 1767225600000);
    return object;
}

TEST(writes_what_the_server_derives)
{
    static const struct {
        const char *kind, *object, *path, *value;
    } cases[] = {
        {"Secret", "{\"metadata\":{\"name\":\"a\"},\"stringData\":{\"k\":\"pass\"}}", "data.k",
         "cGFzcw=="},
        {"Secret", "{\"metadata\":{\"name\":\"a\"},\"stringData\":{\"k\":\"pass\"}}", "stringData",
         NULL},
        {"Secret", "{\"metadata\":{\"name\":\"a\"}}", "type", "Opaque"},
        {"Namespace", "{\"metadata\":{\"name\":\"a\"}}", "spec.finalizers[0]", "kubernetes"},
        {"Namespace", "{\"metadata\":{\"name\":\"a\"}}", "status.phase", "Active"},
        {"Job", "{\"metadata\":{\"name\":\"j\"},\"spec\":{\"template\":{}}}",
         "spec.template.metadata.labels.job-name", "j"},
        {"Job", "{\"metadata\":{\"name\":\"j\"},\"spec\":{\"template\":{}}}",
         "spec.template.metadata.labels.controller-uid", "u-1"},
        {"Pod", "{\"metadata\":{\"name\":\"p\",\"resourceVersion\":\"7\"},\"spec\":{}}",
         "metadata.resourceVersion", NULL},
        {"Pod", "{\"metadata\":{\"name\":\"p\"},\"spec\":{},\"status\":{\"phase\":\"Failed\"}}",
         "status.phase", "Pending"},
        {"Pod", "{\"metadata\":{\"name\":\"p\"},\"spec\":{}}", "spec.serviceAccountName",
         "default"},
        {"Pod",
         "{\"metadata\":{\"name\":\"p\"},\"spec\":{\"containers\":[{\"resources\":{\"limits\":"
         "{\"cpu\":\"1\",\"memory\":\"1Gi\"}}}]}}",
         "status.qosClass", "Guaranteed"},
        {"Pod",
         "{\"metadata\":{\"name\":\"p\"},\"spec\":{\"containers\":[{\"resources\":{\"requests\":"
         "{\"cpu\":\"1\"}}}]}}",
         "status.qosClass", "Burstable"},
        {"RoleBinding",
         "{\"metadata\":{\"name\":\"p\"},\"roleRef\":{\"kind\":\"Role\",\"name\":\"r\"}}",
         "roleRef.apiGroup", "rbac.authorization.k8s.io"},
        {"ConfigMap", "{\"metadata\":{\"name\":\"p\"}}", "metadata.creationTimestamp",
         "2026-01-01T00:00:00Z"},
        {"CustomResourceDefinition",
         "{\"metadata\":{\"name\":\"p\"},\"spec\":{\"names\":{\"kind\":\"Foo\"}}}",
         "spec.names.listKind", "FooList"},
    };
    CLEANUP(schema_pool) struct schema_pool *pool = schema_pool_new();

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(kube_type) struct kube_type *type = type_of(pool, cases[i].kind);
        json_auto_t *object = prepared(type, cases[i].object);

        CHECK_STR(obj_str(object, cases[i].path, NULL), cases[i].value);
    }
}

TEST(counts_generations_where_the_real_server_does)
{
    static const struct {
        const char *kind, *before, *after, *subresource;
        int64_t generation;
    } cases[] = {
        {"Job", "{\"spec\":{\"suspend\":true}}", "{\"spec\":{\"suspend\":false}}", NULL, 6},
        {"Job", "{\"spec\":{\"suspend\":true}}",
         "{\"spec\":{\"suspend\":true},\"status\":{\"active\":1}}", NULL, 5},
        {"Job", "{\"spec\":{\"suspend\":true}}", "{\"status\":{\"active\":1}}", "status", 5},
        {"Secret", "{\"data\":{}}", "{\"data\":{\"a\":\"\"}}", NULL, 0},
    };
    CLEANUP(schema_pool) struct schema_pool *pool = schema_pool_new();

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(kube_type) struct kube_type *type = type_of(pool, cases[i].kind);
        json_auto_t *before = parse(cases[i].before);
        json_auto_t *after = parse(cases[i].after);

        obj_put_str(before, "metadata.name", "x");
        if (type->has_generation)
            obj_put_int(before, "metadata.generation", 5);
        builtin_prepare_update(type, &type->versions[0], cases[i].subresource, after, before);
        CHECK_INT(obj_int(after, "metadata.generation", 0), cases[i].generation);
    }
}

TEST(keeps_apart_what_is_wanted_and_what_is)
{
    CLEANUP(schema_pool) struct schema_pool *pool = schema_pool_new();
    CLEANUP(kube_type) struct kube_type *type = type_of(pool, "Job");
    json_auto_t *old =
        parse("{\"metadata\":{\"name\":\"x\",\"uid\":\"u\",\"labels\":{\"a\":\"1\"}},"
              "\"spec\":{\"suspend\":true},\"status\":{\"active\":1}}");
    json_auto_t *main_write = parse("{\"metadata\":{\"name\":\"x\",\"uid\":\"other\"},\"spec\":"
                                    "{\"suspend\":false},\"status\":{\"active\":9}}");
    json_auto_t *status_write =
        parse("{\"metadata\":{\"name\":\"x\",\"labels\":{\"b\":\"2\"},\"resourceVersion\":\"8\"},"
              "\"spec\":{\"suspend\":false},\"status\":{\"active\":9}}");

    builtin_prepare_update(type, &type->versions[0], NULL, main_write, old);
    CHECK_INT(obj_int(main_write, "status.active", 0), 1);
    CHECK(!obj_bool(main_write, "spec.suspend", true));
    CHECK_STR(obj_str(main_write, "metadata.uid", ""), "u");
    builtin_prepare_update(type, &type->versions[0], "status", status_write, old);
    CHECK_INT(obj_int(status_write, "status.active", 0), 9);
    CHECK(obj_bool(status_write, "spec.suspend", false));
    CHECK_STR(obj_str(status_write, "metadata.labels.a", NULL), "1");
    CHECK_STR(obj_str(status_write, "metadata.labels.b", NULL), NULL);
    CHECK_STR(obj_str(status_write, "metadata.resourceVersion", NULL), "8");
}

TEST(refuses_what_rules_forbid)
{
    static const struct {
        const char *kind, *object, *old, *causes;
    } cases[] = {
        {"ConfigMap", "{\"metadata\":{\"name\":\"A_b\"}}", NULL,
         "metadata.name: Invalid value: \"A_b\": a lowercase RFC 1123 subdomain must consist of"},
        {"Namespace", "{\"metadata\":{\"name\":\"a.b\"}}", NULL,
         "metadata.name: Invalid value: \"a.b\": a lowercase RFC 1123 label must consist of"},
        {"ConfigMap", "{\"metadata\":{}}", NULL,
         "metadata.name: Required value: name or generateName is required"},
        {"Role", "{\"metadata\":{\"name\":\"system:x\"}}", NULL, ""},
        {"ConfigMap", "{\"metadata\":{\"name\":\"a\",\"labels\":{\"k\":\"a b\"}}}", NULL,
         "metadata.labels: Invalid value: \"a b\": a valid label must be"},
        {"ConfigMap", "{\"metadata\":{\"name\":\"a\",\"finalizers\":[\"x.io/a\",\"x.io/b\"]}}",
         "{\"metadata\":{\"name\":\"a\",\"deletionTimestamp\":\"2026-01-01T00:00:00Z\","
         "\"finalizers\":[\"x.io/a\"]}}",
         "metadata.finalizers: Forbidden: no new finalizers can be added if the object is being "
         "deleted, found new finalizers []string{\"x.io/b\"}"},
        {"ConfigMap", "{\"metadata\":{\"name\":\"a\"},\"data\":{\"a/b\":\"\"}}", NULL,
         "data[a/b]: Invalid value: \"a/b\": a valid config key"},
        {"Secret", "{\"metadata\":{\"name\":\"a\"},\"type\":\"b\"}",
         "{\"metadata\":{\"name\":\"a\"},\"type\":\"Opaque\"}",
         "type: Invalid value: \"b\": field is immutable"},
        {"Secret", "{\"metadata\":{\"name\":\"a\"},\"data\":{\"k\":\"YQ==\"},\"immutable\":true}",
         "{\"metadata\":{\"name\":\"a\"},\"immutable\":true}",
         "data: Forbidden: field is immutable when `immutable` is set"},
        {"Job", "{\"metadata\":{\"name\":\"a\"},\"spec\":{\"template\":{\"spec\":{}}}}", NULL,
         "spec.template.spec.restartPolicy: Required value: valid values: \"OnFailure\", "
         "\"Never\""},
        {"RoleBinding",
         "{\"metadata\":{\"name\":\"a\"},\"roleRef\":{\"kind\":\"Role\",\"name\":\"b\"}}",
         "{\"metadata\":{\"name\":\"a\"},\"roleRef\":{\"kind\":\"Role\",\"name\":\"c\"}}",
         "cannot change roleRef"},
        {"PersistentVolumeClaim",
         "{\"metadata\":{\"name\":\"a\"},\"spec\":{\"accessModes\":[\"ReadWriteOnce\"],"
         "\"volumeMode\":\"Block\",\"resources\":{\"requests\":{\"storage\":\"2Gi\"}}}}",
         "{\"metadata\":{\"name\":\"a\"},\"spec\":{\"accessModes\":[\"ReadWriteOnce\"],"
         "\"resources\":{\"requests\":{\"storage\":\"1Gi\"}}}}",
         "spec: Forbidden: spec is immutable after creation"},
        {"PersistentVolumeClaim",
         "{\"metadata\":{\"name\":\"a\"},\"spec\":{\"accessModes\":[\"ReadWriteOnce\"],"
         "\"volumeName\":\"v\",\"resources\":{\"requests\":{\"storage\":\"2Gi\"}}}}",
         "{\"metadata\":{\"name\":\"a\"},\"spec\":{\"accessModes\":[\"ReadWriteOnce\"],"
         "\"resources\":{\"requests\":{\"storage\":\"1Gi\"}}}}",
         ""},
        {"Pod",
         "{\"metadata\":{\"name\":\"a\"},\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":"
         "\"new\"}]}}",
         "{\"metadata\":{\"name\":\"a\"},\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":"
         "\"old\"}]}}",
         ""},
        {"Pod", "{\"metadata\":{\"name\":\"a\"},\"spec\":{\"hostname\":\"x\"}}",
         "{\"metadata\":{\"name\":\"a\"},\"spec\":{}}", "spec: Forbidden: pod updates may not"},
    };
    CLEANUP(schema_pool) struct schema_pool *pool = schema_pool_new();

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(kube_type) struct kube_type *type = type_of(pool, cases[i].kind);
        CLEANUP(cause_list) struct cause_list causes = {0};
        json_auto_t *object = parse(cases[i].object);
        json_auto_t *old = cases[i].old != NULL ? parse(cases[i].old) : NULL;

        builtin_validate(type, object, old, &causes);

        CLEANUP(str) char *text = cause_list_format(&causes);

        if (cases[i].causes[0] == '\0' ? text[0] != '\0' : strstr(text, cases[i].causes) == NULL)
            test_fail(__FILE__, __LINE__, "%s: got %s, want %s", cases[i].object, text,
                      cases[i].causes);
    }
}

TEST(judges_definitions)
{
    static const struct {
        const char *path, *value, *causes;
    } cases[] = {
        {"metadata.name", "x", "metadata.name: Invalid value: \"x\": must be spec.names.plural"},
        {"spec.group", "nodots", "should be a domain with at least one dot"},
        {"spec.scope", "Galaxy", "spec.scope: Unsupported value: \"Galaxy\""},
        {"spec.names.plural", "Foos", "a DNS-1035 label"},
        {"spec.conversion.strategy", "Webhook", "spec.conversion.strategy: Unsupported value"},
        {"spec.names.kind", NULL, "spec.names.kind: Required value"},
        {"spec.versions", NULL, "spec.versions: Required value"},
        {"spec.versions[0].storage", NULL, "must have exactly one version marked as storage"},
        {"spec.versions[0].schema", NULL, "schemas are required"},
        {"spec.versions[0].schema.openAPIV3Schema.type", "string", "must be object at the root"},
    };
    CLEANUP(schema_pool) struct schema_pool *pool = schema_pool_new();

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(cause_list) struct cause_list causes = {0};
        json_auto_t *crd = parse(
            "{\"metadata\":{\"name\":\"foos.a.io\"},\"spec\":{\"group\":\"a.io\",\"scope\":"
            "\"Cluster\",\"names\":{\"plural\":\"foos\",\"kind\":\"Foo\"},\"versions\":[{\"name\":"
            "\"v1\",\"served\":true,\"storage\":true,\"schema\":{\"openAPIV3Schema\":{\"type\":"
            "\"object\"}}}]}}");

        crd_default(crd);
        crd_validate(crd, crd, pool, &causes);
        CHECK_U64(causes.len, 0);
        if (cases[i].value != NULL)
            obj_take(crd, cases[i].path, json_string(cases[i].value));
        else
            obj_del(crd, cases[i].path);
        crd_validate(crd, NULL, pool, &causes);

        CLEANUP(str) char *text = cause_list_format(&causes);

        if (strstr(text, cases[i].causes) == NULL)
            test_fail(__FILE__, __LINE__, "%s: got %s", cases[i].causes, text);
    }
}

TEST(establishes_a_definition)
{
    json_auto_t *crd = parse("{\"spec\":{\"names\":{\"kind\":\"Foo\"},\"versions\":[{\"name\":"
                             "\"v1\",\"storage\":true}]}}");

    crd_set_status(crd, "plural \"foos\" is taken", 0);
    CHECK_STR(obj_str(crd, "status.conditions[0].reason", ""), "NameConflict");
    crd_set_status(crd, NULL, 1000);
    crd_set_status(crd, NULL, 2000);
    CHECK_U64(obj_count(crd, "status.conditions"), 2);
    CHECK_STR(obj_str(crd, "status.conditions[1].type", ""), "Established");
    CHECK_STR(obj_str(crd, "status.conditions[1].status", ""), "True");
    CHECK_STR(obj_str(crd, "status.conditions[1].lastTransitionTime", ""), "1970-01-01T00:00:01Z");
    CHECK_STR(obj_str(crd, "status.acceptedNames.kind", ""), "Foo");
    CHECK_U64(obj_count(crd, "status.storedVersions"), 1);
}
