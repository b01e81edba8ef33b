/* Our definitions against the reference ones, and the 63 reference ones against our code. */
#include "kube/builtin.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/test.h"
#include "base/text.h"
#include "data/obj.h"
#include "data/yaml.h"
#include "kube/schema.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

enum { REFERENCE_MAX = 4 * 1024 * 1024 };

static const char *const folders[] = {"forklift", "kubevirt", "cdi", "mtc", "velero"};

/* Calls SEE with each definition of a folder of reference data. */
static size_t each_reference(const char *folder, void (*see)(const json_t *crd, void *arg),
                             void *arg)
{
    CLEANUP(str) char *path = xasprintf("%s/crds/%s", test_shared_dir(), folder);
    DIR *dir = opendir(path);
    struct dirent *entry;
    size_t count = 0;

    if (dir == NULL)
        test_skip("the reference definitions are not there");
    while ((entry = readdir(dir)) != NULL) {
        CLEANUP(error) struct error *err = NULL;
        CLEANUP(str) char *file = path_join(path, entry->d_name);
        CLEANUP(str) char *text = NULL;
        size_t len = 0, i;
        json_t *crd;

        if (!str_ends_with(entry->d_name, ".yaml"))
            continue;
        CHECK_OK(file_read(file, REFERENCE_MAX, &text, &len, &err), err);

        json_auto_t *documents = obj_parse_yaml(text, len, &err);

        if (documents == NULL)
            test_fail(__FILE__, __LINE__, "%s: %s", file, err->msg);
        json_array_foreach(documents, i, crd)
        {
            see(crd, arg);
            count++;
        }
    }
    closedir(dir);
    return count;
}

static void compile_one(const json_t *crd, void *arg)
{
    CLEANUP(cause_list) struct cause_list causes = {0};
    json_auto_t *copy = obj_copy(crd);

    crd_default(copy);
    crd_validate(copy, NULL, arg, &causes);
    if (causes.len > 0)
        test_fail(__FILE__, __LINE__, "%s: %s", obj_str(crd, "metadata.name", ""),
                  cause_list_format(&causes));
}

TEST(compiles_all_reference_definitions_into_a_few_megabytes)
{
    test_shared_dir(); /* or a skip, before anything is allocated */

    CLEANUP(schema_pool) struct schema_pool *pool = schema_pool_new();
    struct schema_pool_stats stats;
    size_t count = 0;

    for (size_t i = 0; i < ARRAY_SIZE(folders); i++)
        count += each_reference(folders[i], compile_one, pool);
    schema_pool_get_stats(pool, &stats);
    printf("# %zu definitions, %zu nodes, of which %zu differ, in %zu KB\n", count,
           stats.nodes_seen, stats.nodes, stats.bytes / 1024);
    CHECK_U64(count, 63);
    CHECK(stats.bytes < 4 * 1024 * 1024);
}

/* An object that has every member the schema knows, down to DEPTH levels. */
static json_t *full_value(const json_t *schema, unsigned depth)
{
    const char *type = obj_str(schema, "type", "string"), *key;
    json_t *additional = json_object_get(schema, "additionalProperties"), *member;

    if (str_eq(type, "object")) {
        json_t *object = json_object();

        if (depth == 0)
            return object;
        json_object_foreach(obj_obj(schema, "properties"), key, member)
            json_object_set_new(object, key, full_value(member, depth - 1));
        if (json_is_object(additional))
            json_object_set_new(object, "any", full_value(additional, depth - 1));
        return object;
    }
    if (str_eq(type, "array"))
        return depth == 0 ? json_array()
                          : json_pack("[o]", full_value(obj_obj(schema, "items"), depth - 1));
    if (str_eq(type, "boolean"))
        return json_true();
    return str_eq(type, "string") ? json_string("x") : json_integer(1);
}

/* Pruning keeps all that is known and takes away all that is not; a second time changes nothing,
 * nor does a second time of filling in defaults. */
static void settle_one(const json_t *crd, void *arg)
{
    json_t *openapi = obj_at(crd, "spec.versions[0].schema.openAPIV3Schema");
    CLEANUP(cause_list) struct cause_list causes = {0};
    const struct schema *schema = schema_compile(arg, openapi, "", &causes);
    struct str_list unknown = {0};
    json_auto_t *object = full_value(openapi, 12);

    CHECK(schema != NULL);
    json_object_set_new(object, "metadata", json_pack("{s:s}", "name", "x"));

    json_auto_t *whole = obj_copy(object);

    json_object_set_new(object, "typo", json_integer(1));
    schema_prune(schema, object, &unknown);
    CHECK_U64(unknown.len,
              json_is_true(json_object_get(openapi, "x-kubernetes-preserve-unknown-fields")) ? 0
                                                                                             : 1);
    str_list_free_all(&unknown);
    json_object_del(object, "typo");
    CHECK(obj_eq(object, whole));
    schema_default(schema, object);

    json_auto_t *once = obj_copy(object);

    schema_prune(schema, object, &unknown);
    schema_default(schema, object);
    CHECK_U64(unknown.len, 0);
    CHECK(obj_eq(object, once));
}

TEST(pruning_and_defaulting_settle_on_all_reference_definitions)
{
    test_shared_dir(); /* or a skip, before anything is allocated */

    CLEANUP(schema_pool) struct schema_pool *pool = schema_pool_new();

    for (size_t i = 0; i < ARRAY_SIZE(folders); i++)
        each_reference(folders[i], settle_one, pool);
}

/* --- ours against Forklift's --- */

static json_t *our_crd(const char *name)
{
    for (size_t i = 0;; i++) {
        json_t *crd = builtin_crd(i);

        if (crd == NULL || str_eq(obj_str(crd, "metadata.name", ""), name))
            return crd;
        json_decref(crd);
    }
}

static void check_word(const json_t *ours, const json_t *theirs, const char *word,
                       const char *where)
{
    json_t *a = json_object_get(ours, word), *b = json_object_get(theirs, word);

    /* The manual's own manifest of a Host has no secret: the provider's is used then. */
    if (str_eq(where, "Host.spec") && str_eq(word, "required"))
        return;
    if (b == NULL ? a != NULL : a == NULL || !obj_eq(a, b)) {
        CLEANUP(str) char *x = a != NULL ? json_dumps(a, JSON_ENCODE_ANY) : NULL;
        CLEANUP(str) char *y = b != NULL ? json_dumps(b, JSON_ENCODE_ANY) : NULL;

        test_fail(__FILE__, __LINE__, "%s: %s is %s, not %s", where, word, x != NULL ? x : "absent",
                  y != NULL ? y : "absent");
    }
}

/* An enum written twice in an allOf is one enum. */
static json_t *plain(const json_t *node)
{
    json_t *copy = json_copy((json_t *)(uintptr_t)node);
    json_t *first = obj_at(node, "allOf[0].enum");

    if (first != NULL) {
        json_object_set(copy, "enum", first);
        json_object_del(copy, "allOf");
    }
    return copy;
}

/* What gantry reads and the reference has no field for. */
static bool is_our_own(const char *field)
{
    return str_eq(field, "ForkliftController.spec.validation_configmap_name");
}

static void compare(const json_t *ours, const json_t *theirs, const char *where)
{
    static const char *const words[] = {
        "type",
        "format",
        "enum",
        "default",
        "required",
        "nullable",
        "pattern",
        "minimum",
        "maximum",
        "minLength",
        "maxLength",
        "minItems",
        "maxItems",
        "anyOf",
        "x-kubernetes-int-or-string",
        "x-kubernetes-preserve-unknown-fields",
        "x-kubernetes-list-type",
        "x-kubernetes-list-map-keys",
        "x-kubernetes-map-type",
    };
    json_auto_t *reference = plain(theirs);
    const char *key;
    json_t *value;

    if (ours == NULL)
        test_fail(__FILE__, __LINE__, "%s is not there", where);
    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        check_word(ours, reference, words[i], where);
    json_object_foreach(obj_obj(theirs, "properties"), key, value)
    {
        CLEANUP(str) char *inner = xasprintf("%s.%s", where, key);

        if (strchr(where, '.') == NULL &&
            (str_eq(key, "apiVersion") || str_eq(key, "kind") || str_eq(key, "metadata")))
            continue;
        compare(json_object_get(obj_obj(ours, "properties"), key), value, inner);
    }
    json_object_foreach(obj_obj(ours, "properties"), key, value)
    {
        CLEANUP(str) char *inner = xasprintf("%s.%s", where, key);

        if (json_object_get(obj_obj(theirs, "properties"), key) == NULL && !is_our_own(inner))
            test_fail(__FILE__, __LINE__, "%s is not in the reference", inner);
    }
    if (obj_obj(theirs, "items") != NULL)
        compare(obj_obj(ours, "items"), obj_obj(theirs, "items"), where);
    if (obj_obj(theirs, "additionalProperties") != NULL)
        compare(obj_obj(ours, "additionalProperties"), obj_obj(theirs, "additionalProperties"),
                where);
    CHECK_U64(obj_count(ours, "x-kubernetes-validations"),
              obj_count(theirs, "x-kubernetes-validations"));
}

static void compare_one(const json_t *theirs, void *arg)
{
    json_auto_t *ours = our_crd(obj_str(theirs, "metadata.name", ""));
    const char *kind = obj_str(theirs, "spec.names.kind", "");

    if (ours == NULL)
        test_fail(__FILE__, __LINE__, "no definition of %s", kind);
    CHECK_STR(obj_str(ours, "spec.group", ""), obj_str(theirs, "spec.group", ""));
    CHECK_STR(obj_str(ours, "spec.scope", ""), obj_str(theirs, "spec.scope", ""));
    check_word(obj_at(ours, "spec.names"), obj_at(theirs, "spec.names"), "shortNames", kind);
    CHECK((obj_at(ours, "spec.versions[0].subresources.status") != NULL) ==
          (obj_at(theirs, "spec.versions[0].subresources.status") != NULL));
    compare(obj_at(ours, "spec.versions[0].schema.openAPIV3Schema"),
            obj_at(theirs, "spec.versions[0].schema.openAPIV3Schema"), kind);
}

TEST(forklift_kinds_have_every_field_of_the_reference)
{
    CHECK_U64(each_reference("forklift", compare_one, NULL), 14);
}

/* --- what users write --- */

static const struct schema *compile_ours(struct schema_pool *pool, const char *name)
{
    CLEANUP(cause_list) struct cause_list causes = {0};
    json_auto_t *crd = our_crd(name);

    CHECK(crd != NULL);
    return schema_compile(pool, obj_at(crd, "spec.versions[0].schema.openAPIV3Schema"), "",
                          &causes);
}

TEST(a_plan_gets_the_defaults_of_the_real_one)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(schema_pool) struct schema_pool *pool = schema_pool_new();
    CLEANUP(cause_list) struct cause_list causes = {0};
    const struct schema *schema = compile_ours(pool, "plans.forklift.konveyor.io");
    static const char text[] =
        "{\"apiVersion\":\"forklift.konveyor.io/v1beta1\",\"kind\":\"Plan\",\"metadata\":{\"name\":"
        "\"p\"},\"spec\":{\"map\":{\"network\":{},\"storage\":{}},\"provider\":{\"source\":{},"
        "\"destination\":{}},\"targetNamespace\":\"t\",\"vms\":[]}}";
    json_auto_t *plan = obj_parse(text, strlen(text), &err);

    schema_prune(schema, plan, NULL);
    schema_default(schema, plan);
    schema_validate(schema, plan, NULL, &causes);
    CHECK_U64(causes.len, 0);
    CHECK(obj_bool(plan, "spec.deleteVmOnFailMigration", false));
    CHECK(obj_bool(plan, "spec.migrateSharedDisks", false));
    CHECK(obj_bool(plan, "spec.preserveStaticIPs", false));
    CHECK(obj_bool(plan, "spec.runPreflightInspection", false));
    CHECK(obj_bool(plan, "spec.useCompatibilityMode", false));
    CHECK(!obj_bool(plan, "spec.skipGuestConversion", true));
    CHECK(!obj_bool(plan, "spec.xfsCompatibility", true));
}

TEST(conditions_may_repeat_a_type)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(schema_pool) struct schema_pool *pool = schema_pool_new();
    CLEANUP(cause_list) struct cause_list causes = {0};
    const struct schema *schema = compile_ours(pool, "networkmaps.forklift.konveyor.io");
    static const char text[] =
        "{\"spec\":{\"map\":[],\"provider\":{\"source\":{},\"destination\":{}}},\"status\":"
        "{\"conditions\":[{\"type\":\"A\",\"reason\":\"x\",\"status\":\"True\",\"category\":"
        "\"Warn\",\"lastTransitionTime\":\"2026-01-01T00:00:00Z\"},{\"type\":\"A\",\"reason\":"
        "\"y\",\"status\":\"True\",\"category\":\"Warn\",\"lastTransitionTime\":"
        "\"2026-01-01T00:00:00Z\"}]}}";
    json_auto_t *map = obj_parse(text, strlen(text), &err);

    schema_validate(schema, map, NULL, &causes);
    CHECK_U64(causes.len, 0);
}
