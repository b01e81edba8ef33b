#include "kube/apply.h"

#include "base/test.h"
#include "base/text.h"
#include "data/obj.h"
#include "kube/schema.h"

#include <stdlib.h>

enum { NOW_MS = 1000 };

static json_t *parse(const char *text)
{
    json_t *value = json_loads(text, 0, NULL);

    if (value == NULL)
        test_fail(__FILE__, __LINE__, "%s is no JSON", text);
    return value;
}

static const struct schema *schema_new(struct schema_pool *pool)
{
    CLEANUP(cause_list) struct cause_list causes = {0};
    json_auto_t *openapi = parse(
        "{\"type\":\"object\",\"properties\":{\"data\":{\"type\":\"object\","
        "\"additionalProperties\":"
        "{\"type\":\"string\"}},\"spec\":{\"type\":\"object\",\"properties\":{"
        "\"n\":{\"type\":\"integer\"},"
        "\"atom\":{\"type\":\"object\",\"x-kubernetes-map-type\":\"atomic\",\"properties\":{\"a\":"
        "{\"type\":\"string\"},\"b\":{\"type\":\"string\"}}},"
        "\"list\":{\"type\":\"array\",\"items\":{\"type\":\"string\"}},"
        "\"set\":{\"type\":\"array\",\"x-kubernetes-list-type\":\"set\",\"items\":{\"type\":"
        "\"string\"}},"
        "\"map\":{\"type\":\"array\",\"x-kubernetes-list-type\":\"map\","
        "\"x-kubernetes-list-map-keys\":[\"name\",\"proto\"],\"items\":{\"type\":\"object\","
        "\"properties\":{\"name\":{\"type\":\"string\"},\"proto\":{\"type\":\"string\",\"default\":"
        "\"TCP\"},\"v\":{\"type\":\"string\"},\"w\":{\"type\":\"string\"}}}}}}}}");
    const struct schema *schema = schema_compile(pool, openapi, "", &causes);

    CHECK(schema != NULL);
    return schema;
}

static struct apply_as as(const char *manager, bool force)
{
    return (struct apply_as){
        .manager = manager, .api_version = "v1", .now_ms = NOW_MS, .force = force};
}

/* Applies the configurations one after the other, each by the manager named before it. */
static json_t *apply_all(const struct schema *schema, const char *const *steps)
{
    json_t *live = NULL;

    for (; steps[0] != NULL; steps += 2) {
        CLEANUP(error) struct error *err = NULL;
        CLEANUP(cause_list) struct cause_list causes = {0};
        json_auto_t *config = parse(steps[1]);
        struct apply_as who = as(steps[0], false);
        json_t *next = NULL;

        CHECK_OK(apply_config(schema, live, config, &who, &next, &causes, &err), err);
        json_decref(live);
        live = next;
    }
    return live;
}

static void check_rest(const json_t *object, const char *want)
{
    json_auto_t *copy = obj_copy(object), *expected = parse(want);
    CLEANUP(str) char *got = obj_format(object);

    json_object_del(copy, "metadata");
    if (!obj_eq(copy, expected))
        test_fail(__FILE__, __LINE__, "got %s, not %s", got, want);
}

static void check_fields(const json_t *object, const char *manager, const char *want)
{
    json_t *entry;
    size_t i;

    json_array_foreach(obj_arr(object, "metadata.managedFields"), i,
                       entry) if (str_eq(obj_str(entry, "manager", ""), manager))
    {
        json_auto_t *expected = parse(want);
        CLEANUP(str) char *got = obj_format(obj_obj(entry, "fieldsV1"));

        if (!obj_eq(obj_obj(entry, "fieldsV1"), expected))
            test_fail(__FILE__, __LINE__, "%s has %s, not %s", manager, got, want);
        return;
    }
    if (want != NULL)
        test_fail(__FILE__, __LINE__, "%s has nothing", manager);
}

TEST(merges_and_removes_by_ownership)
{
    static const struct {
        const char *steps[9];
        const char *result;
    } cases[] = {
        {{"a", "{\"data\":{\"x\":\"1\"}}", "b", "{\"data\":{\"y\":\"2\"}}"},
         "{\"data\":{\"x\":\"1\",\"y\":\"2\"}}"},
        {{"a", "{\"data\":{\"x\":\"1\",\"y\":\"2\"}}", "a", "{\"data\":{\"x\":\"1\"}}"},
         "{\"data\":{\"x\":\"1\"}}"},
        {{"a", "{\"data\":{\"x\":\"1\"}}", "a", "{\"spec\":{\"n\":1}}"}, "{\"spec\":{\"n\":1}}"},
        {{"a", "{\"data\":{\"x\":\"1\"}}", "b", "{\"data\":{\"x\":\"1\"}}", "a", "{}"},
         "{\"data\":{\"x\":\"1\"}}"},
        {{"a", "{\"data\":{\"x\":\"1\"}}", "b", "{\"data\":{\"x\":\"1\"}}", "a", "{}", "b", "{}"},
         "{}"},
        {{"a", "{\"spec\":{\"set\":[\"p\",\"q\"]}}", "b", "{\"spec\":{\"set\":[\"q\",\"r\"]}}", "a",
          "{\"spec\":{\"set\":[\"p\"]}}"},
         "{\"spec\":{\"set\":[\"p\",\"q\",\"r\"]}}"},
        {{"a", "{\"spec\":{\"map\":[{\"name\":\"x\",\"v\":\"1\"}]}}", "b",
          "{\"spec\":{\"map\":[{\"name\":\"x\",\"proto\":\"TCP\",\"w\":\"2\"},{\"name\":\"x\","
          "\"proto\":\"UDP\"}]}}"},
         "{\"spec\":{\"map\":[{\"name\":\"x\",\"v\":\"1\",\"proto\":\"TCP\",\"w\":\"2\"},"
         "{\"name\":\"x\",\"proto\":\"UDP\"}]}}"},
        {{"a", "{\"spec\":{\"map\":[{\"name\":\"x\",\"v\":\"1\"},{\"name\":\"y\"}]}}", "a",
          "{\"spec\":{\"map\":[{\"name\":\"y\"}]}}"},
         "{\"spec\":{\"map\":[{\"name\":\"y\"}]}}"},
        {{"a", "{\"spec\":{\"map\":[{\"name\":\"x\",\"v\":\"1\"}]}}", "b",
          "{\"spec\":{\"map\":[{\"name\":\"x\",\"w\":\"2\"}]}}", "a", "{}"},
         "{\"spec\":{\"map\":[{\"name\":\"x\",\"w\":\"2\"}]}}"},
        {{"a", "{\"spec\":{\"atom\":{\"a\":\"1\"}}}", "a", "{\"spec\":{\"atom\":{\"b\":\"2\"}}}"},
         "{\"spec\":{\"atom\":{\"b\":\"2\"}}}"},
        {{"a", "{\"spec\":{\"list\":[\"1\",\"2\"]}}", "a", "{\"spec\":{\"list\":[\"3\"]}}"},
         "{\"spec\":{\"list\":[\"3\"]}}"},
    };
    CLEANUP(schema_pool) struct schema_pool *pool = schema_pool_new();
    const struct schema *schema = schema_new(pool);

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        json_auto_t *result = apply_all(schema, cases[i].steps);

        check_rest(result, cases[i].result);
    }
}

TEST(writes_the_sets_as_the_real_server_does)
{
    CLEANUP(schema_pool) struct schema_pool *pool = schema_pool_new();
    const struct schema *schema = schema_new(pool);
    static const char *const steps[] = {
        "a",
        "{\"apiVersion\":\"v1\",\"kind\":\"X\",\"metadata\":{\"name\":\"n\",\"labels\":{\"l\":"
        "\"1\"}},\"spec\":{\"n\":1,\"atom\":{\"a\":\"1\"},\"set\":[\"p\"],\"map\":[{\"name\":\"x\","
        "\"v\":\"1\"}]}}",
        NULL};
    json_auto_t *result = apply_all(schema, steps);

    check_fields(result, "a",
                 "{\"f:metadata\":{\"f:labels\":{\"f:l\":{}}},\"f:spec\":{\"f:n\":{},\"f:atom\":{},"
                 "\"f:set\":{\"v:\\\"p\\\"\":{}},\"f:map\":{\"k:{\\\"name\\\":\\\"x\\\",\\\"proto"
                 "\\\":\\\"TCP\\\"}\":{\".\":{},\"f:name\":{},\"f:v\":{}}}}}");
    CHECK_STR(obj_str(result, "metadata.managedFields[0].operation", ""), "Apply");
    CHECK_STR(obj_str(result, "metadata.managedFields[0].time", ""), "1970-01-01T00:00:01Z");
}

TEST(refuses_or_takes_over_what_others_own)
{
    CLEANUP(schema_pool) struct schema_pool *pool = schema_pool_new();
    const struct schema *schema = schema_new(pool);
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(cause_list) struct cause_list causes = {0};
    json_auto_t *live = parse("{\"data\":{\"x\":\"1\",\"y\":\"1\"}}");
    json_auto_t *config = parse("{\"data\":{\"x\":\"2\"}}");
    struct apply_as creator = as("kubectl-create", false), who = as("a", false);
    json_t *result = NULL;

    apply_track(schema, NULL, live, &creator);
    check_fields(live, "kubectl-create", "{\"f:data\":{\".\":{},\"f:x\":{},\"f:y\":{}}}");
    CHECK_FAILS(apply_config(schema, live, config, &who, &result, &causes, &err), err,
                ERROR_CONFLICT,
                "Apply failed with 1 conflict: conflict with \"kubectl-create\" using v1: .data.x");
    CHECK_U64(causes.len, 1);
    CHECK_STR(causes.ptr[0].field, ".data.x");
    CHECK_STR(causes.ptr[0].message, "conflict with \"kubectl-create\" using v1");
    CHECK_STR(cause_reason_name(causes.ptr[0].reason), "FieldManagerConflict");
    who.force = true;
    CHECK_OK(apply_config(schema, live, config, &who, &result, &causes, &err), err);
    CHECK_STR(obj_str(result, "data.x", ""), "2");
    check_fields(result, "a", "{\"f:data\":{\"f:x\":{}}}");
    check_fields(result, "kubectl-create", "{\"f:data\":{\".\":{},\"f:y\":{}}}");
    json_decref(result);
}

TEST(an_update_takes_what_it_changes)
{
    CLEANUP(schema_pool) struct schema_pool *pool = schema_pool_new();
    const struct schema *schema = schema_new(pool);
    static const char *const steps[] = {"a", "{\"data\":{\"x\":\"1\",\"y\":\"1\"}}", NULL};
    json_auto_t *live = apply_all(schema, steps);
    json_auto_t *next = obj_copy(live);
    struct apply_as editor = as("edit", false);

    obj_put_str(next, "data.x", "2");
    obj_del(next, "data.y");
    obj_del(next, "metadata.managedFields");
    apply_track(schema, live, next, &editor);
    check_fields(next, "edit", "{\"f:data\":{\"f:x\":{}}}");
    CHECK_U64(obj_count(next, "metadata.managedFields"), 1);
}

TEST(a_write_that_changes_nothing_leaves_the_owners_alone)
{
    CLEANUP(schema_pool) struct schema_pool *pool = schema_pool_new();
    const struct schema *schema = schema_new(pool);
    static const char *const steps[] = {"a", "{\"data\":{\"x\":\"1\"}}", NULL};
    json_auto_t *live = apply_all(schema, steps);
    json_auto_t *same = obj_copy(live);
    json_auto_t *config = parse(steps[1]);
    struct apply_as later = as("a", false), other = as("b", false);
    CLEANUP(cause_list) struct cause_list causes = {0};
    CLEANUP(error) struct error *err = NULL;
    json_t *again = NULL;

    later.now_ms = 99000;
    CHECK_OK(apply_config(schema, live, config, &later, &again, &causes, &err), err);
    CHECK(obj_eq(live, again));
    apply_track(schema, live, same, &other);
    CHECK(obj_eq(live, same));
    json_decref(again);
}

TEST(forgets_owners_on_request_and_bounds_their_number)
{
    CLEANUP(schema_pool) struct schema_pool *pool = schema_pool_new();
    const struct schema *schema = schema_new(pool);
    json_auto_t *live = parse("{\"data\":{\"x\":\"0\"}}");

    for (int i = 0; i < 30; i++) {
        CLEANUP(str) char *name = xasprintf("m%d", i);
        CLEANUP(str) char *key = xasprintf("data.k%d", i);
        json_auto_t *next = obj_copy(live);
        struct apply_as who = as(name, false);

        who.now_ms = (int64_t)i * 1000;
        obj_put_str(next, key, "v");
        apply_track(schema, live, next, &who);
        json_decref(live);
        live = json_incref(next);
    }
    CHECK_U64(obj_count(live, "metadata.managedFields"), 10);
    CHECK_STR(obj_str(live, "metadata.managedFields[0].manager", ""), "ancient-changes");

    json_auto_t *next = obj_copy(live);
    struct apply_as who = as("x", false);

    obj_take(next, "metadata.managedFields", json_pack("[{}]"));
    apply_track(schema, live, next, &who);
    CHECK_U64(obj_count(next, "metadata.managedFields"), 0);
}
