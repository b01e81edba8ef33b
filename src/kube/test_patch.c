#include "kube/patch.h"

#include "base/test.h"
#include "base/text.h"
#include "data/obj.h"
#include "kube/builtin.h"
#include "kube/schema.h"

#include <stdlib.h>

static json_t *parse(const char *text)
{
    json_t *value = json_loads(text, JSON_DECODE_ANY, NULL);

    if (value == NULL)
        test_fail(__FILE__, __LINE__, "%s is no JSON", text);
    return value;
}

static void check_same(const json_t *got, const char *want, const char *what)
{
    json_auto_t *expected = parse(want);
    CLEANUP(str) char *text = json_dumps(got, JSON_ENCODE_ANY | JSON_COMPACT);

    if (!json_equal(got, expected))
        test_fail(__FILE__, __LINE__, "%s gives %s, not %s", what, text, want);
}

/* The examples of RFC 7386's appendix, as facts. */
TEST(merges_as_rfc_7386_says)
{
    static const char *const cases[][3] = {
        {"{\"a\":\"b\"}", "{\"a\":\"c\"}", "{\"a\":\"c\"}"},
        {"{\"a\":\"b\"}", "{\"b\":\"c\"}", "{\"a\":\"b\",\"b\":\"c\"}"},
        {"{\"a\":\"b\"}", "{\"a\":null}", "{}"},
        {"{\"a\":[\"b\"]}", "{\"a\":\"c\"}", "{\"a\":\"c\"}"},
        {"{\"a\":\"c\"}", "{\"a\":[\"b\"]}", "{\"a\":[\"b\"]}"},
        {"{\"a\":{\"b\":\"c\"}}", "{\"a\":{\"b\":\"d\",\"c\":null}}", "{\"a\":{\"b\":\"d\"}}"},
        {"{\"a\":[{\"b\":\"c\"}]}", "{\"a\":[1]}", "{\"a\":[1]}"},
        {"[\"a\",\"b\"]", "[\"c\"]", "[\"c\"]"},
        {"{\"a\":\"foo\"}", "null", "null"},
        {"{\"e\":null}", "{\"a\":1}", "{\"e\":null,\"a\":1}"},
        {"{}", "{\"a\":{\"bb\":{\"ccc\":null}}}", "{\"a\":{\"bb\":{}}}"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        json_auto_t *target = parse(cases[i][0]), *patch = parse(cases[i][1]);
        json_auto_t *merged = patch_merge(target, patch);

        check_same(merged, cases[i][2], cases[i][1]);
        check_same(target, cases[i][0], "the target");
    }
}

TEST(runs_json_patches)
{
    static const char *const cases[][3] = {
        {"{\"a\":1}", "[{\"op\":\"add\",\"path\":\"/b\",\"value\":2}]", "{\"a\":1,\"b\":2}"},
        {"{\"a\":[1,3]}", "[{\"op\":\"add\",\"path\":\"/a/1\",\"value\":2}]", "{\"a\":[1,2,3]}"},
        {"{\"a\":[1]}", "[{\"op\":\"add\",\"path\":\"/a/-\",\"value\":2}]", "{\"a\":[1,2]}"},
        {"{\"a\":[1,2]}", "[{\"op\":\"remove\",\"path\":\"/a/0\"}]", "{\"a\":[2]}"},
        {"{\"a\":1}", "[{\"op\":\"replace\",\"path\":\"/a\",\"value\":null}]", "{\"a\":null}"},
        {"{\"a\":{\"b\":1}}", "[{\"op\":\"move\",\"from\":\"/a/b\",\"path\":\"/c\"}]",
         "{\"a\":{},\"c\":1}"},
        {"{\"a\":{\"b\":1}}", "[{\"op\":\"copy\",\"from\":\"/a\",\"path\":\"/c\"}]",
         "{\"a\":{\"b\":1},\"c\":{\"b\":1}}"},
        {"{\"a/b\":1,\"m~n\":2}",
         "[{\"op\":\"test\",\"path\":\"/a~1b\",\"value\":1},{\"op\":\"remove\",\"path\":\"/"
         "m~0n\"}]",
         "{\"a/b\":1}"},
        {"{\"a\":1}", "[{\"op\":\"replace\",\"path\":\"\",\"value\":{}}]", "{}"},
        {"{\"a\":1}", "[{\"op\":\"test\",\"path\":\"/a\",\"value\":1.0}]", "{\"a\":1}"},
        {"{}", "[]", "{}"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(error) struct error *err = NULL;
        json_auto_t *target = parse(cases[i][0]), *patch = parse(cases[i][1]);
        json_t *patched = NULL;

        CHECK_OK(patch_json(target, patch, &patched, &err), err);
        check_same(patched, cases[i][2], cases[i][1]);
        check_same(target, cases[i][0], "the target");
        json_decref(patched);
    }
}

TEST(refuses_json_patches)
{
    static const struct {
        const char *patch, *message;
        bool malformed;
    } cases[] = {
        {"[{\"op\":\"test\",\"path\":\"/a\",\"value\":2}]", "operation 1: test: value at \"/a\"",
         false},
        {"[{\"op\":\"test\",\"path\":\"/x\",\"value\":2}]", "nothing at \"/x\"", false},
        {"[{\"op\":\"remove\",\"path\":\"/x\"}]", "nothing at \"/x\"", false},
        {"[{\"op\":\"remove\",\"path\":\"\"}]", "nothing at \"\"", false},
        {"[{\"op\":\"replace\",\"path\":\"/l/2\",\"value\":1}]", "nothing at \"/l/2\"", false},
        {"[{\"op\":\"add\",\"path\":\"/l/3\",\"value\":1}]", "nothing at \"/l/3\"", false},
        {"[{\"op\":\"add\",\"path\":\"/l/01\",\"value\":1}]", "nothing at \"/l/01\"", false},
        {"[{\"op\":\"add\",\"path\":\"/x/y\",\"value\":1}]", "nothing at \"/x/y\"", false},
        {"[{\"op\":\"move\",\"from\":\"/l\",\"path\":\"/l/0\"}]", "moved into itself", false},
        {"[{\"op\":\"add\",\"path\":\"/b\",\"value\":1},{\"op\":\"jump\",\"path\":\"/b\"}]",
         "operation 2", true},
        {"[{\"op\":\"add\",\"path\":\"/b\"}]", "no \"value\"", true},
        {"[{\"op\":\"add\",\"path\":\"b\",\"value\":1}]", "does not begin", true},
        {"[{\"op\":\"add\",\"path\":\"/~2\",\"value\":1}]", "followed by 0 or 1", true},
        {"[{\"op\":\"remove\"}]", "no \"path\"", true},
        {"{}", "is not a list", true},
        {"[7]", "no \"path\"", true},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(error) struct error *err = NULL;
        json_auto_t *target = parse("{\"a\":1,\"l\":[1,2]}"), *patch = parse(cases[i].patch);
        json_t *patched = NULL;
        int result = patch_json(target, patch, &patched, &err);

        CHECK(patched == NULL && err != NULL);
        CHECK(str_eq(error_get_hint(err), cases[i].malformed ? "malformed" : NULL));
        CHECK_FAILS(result, err, ERROR_INVALID, cases[i].message);
    }
}

TEST(bounds_what_copies_of_copies_can_make)
{
    CLEANUP(error) struct error *err = NULL;
    json_auto_t *target = parse("{\"a\":[\"0123456789012345678901234567890123456789\"]}");
    json_auto_t *wide = json_array(), *deep = json_array();
    json_t *patched = NULL;

    for (int i = 0; i < 40; i++) {
        json_array_append_new(wide, parse("{\"op\":\"copy\",\"from\":\"/a\",\"path\":\"/a/0\"}"));
        json_array_append_new(deep, parse("{\"op\":\"copy\",\"from\":\"\",\"path\":\"/a/0\"}"));
    }
    CHECK_FAILS(patch_json(target, wide, &patched, &err), err, ERROR_INVALID, "");
    CHECK_FAILS(patch_json(target, deep, &patched, &err), err, ERROR_INVALID, "");
}

static const struct schema *schema_of(struct schema_pool *pool, const char *kind)
{
    for (size_t i = 0;; i++) {
        CLEANUP(cause_list) struct cause_list causes = {0};
        json_auto_t *definition = builtin_definition(i);

        CHECK(definition != NULL);
        if (str_eq(obj_str(definition, "spec.names.kind", ""), kind))
            return schema_compile(
                pool, obj_at(definition, "spec.versions[0].schema.openAPIV3Schema"), "", &causes);
    }
}

#define POD(list) "{\"spec\":{\"containers\":" list "}}"

TEST(merges_lists_of_built_in_kinds_by_their_keys)
{
    static const struct {
        const char *kind, *target, *patch, *merged;
    } cases[] = {
        {"Pod", POD("[{\"name\":\"a\",\"image\":\"1\"},{\"name\":\"b\",\"image\":\"2\"}]"),
         POD("[{\"name\":\"b\",\"image\":\"3\"}]"),
         POD("[{\"name\":\"a\",\"image\":\"1\"},{\"name\":\"b\",\"image\":\"3\"}]")},
        {"Pod", POD("[{\"name\":\"a\"},{\"name\":\"b\"}]"),
         POD("[{\"$patch\":\"delete\",\"name\":\"a\"}]"), POD("[{\"name\":\"b\"}]")},
        {"Pod", POD("[{\"name\":\"a\"},{\"name\":\"b\"}]"),
         POD("[{\"$patch\":\"replace\"},{\"name\":\"c\"}]"), POD("[{\"name\":\"c\"}]")},
        {"Pod", POD("[{\"name\":\"a\"},{\"name\":\"b\"}]"),
         "{\"spec\":{\"$setElementOrder/containers\":[{\"name\":\"c\"},{\"name\":\"b\"}],"
         "\"containers\":[{\"name\":\"c\"}]}}",
         POD("[{\"name\":\"c\"},{\"name\":\"a\"},{\"name\":\"b\"}]")},
        {"Pod", POD("[{\"name\":\"a\",\"env\":[{\"name\":\"x\",\"value\":\"1\"}]}]"),
         POD("[{\"name\":\"a\",\"env\":[{\"name\":\"y\",\"value\":null}]}]"),
         POD("[{\"name\":\"a\",\"env\":[{\"name\":\"x\",\"value\":\"1\"},{\"name\":\"y\"}]}]")},
        {"Pod", POD("[{\"name\":\"a\",\"ports\":[{\"containerPort\":80,\"name\":\"h\"}]}]"),
         POD("[{\"name\":\"a\",\"ports\":[{\"containerPort\":80,\"name\":\"w\"}]}]"),
         POD("[{\"name\":\"a\",\"ports\":[{\"containerPort\":80,\"name\":\"w\"}]}]")},
        {"Pod", POD("[{\"name\":\"a\",\"args\":[\"1\",\"2\"]}]"),
         POD("[{\"name\":\"a\",\"args\":[\"3\"]}]"), POD("[{\"name\":\"a\",\"args\":[\"3\"]}]")},
        {"Pod", "{\"spec\":{\"volumes\":[{\"name\":\"v\",\"emptyDir\":{}}]}}",
         "{\"spec\":{\"volumes\":[{\"name\":\"v\",\"$retainKeys\":[\"name\",\"secret\"],"
         "\"secret\":{\"secretName\":\"s\"}}]}}",
         "{\"spec\":{\"volumes\":[{\"name\":\"v\",\"secret\":{\"secretName\":\"s\"}}]}}"},
        {"ConfigMap", "{\"metadata\":{\"finalizers\":[\"a\",\"b\"]}}",
         "{\"metadata\":{\"$deleteFromPrimitiveList/finalizers\":[\"a\"],\"finalizers\":[\"c\"]}}",
         "{\"metadata\":{\"finalizers\":[\"b\",\"c\"]}}"},
        {"ConfigMap", "{\"data\":{\"a\":\"1\",\"b\":\"2\"}}",
         "{\"data\":{\"$patch\":\"replace\",\"c\":\"3\"}}", "{\"data\":{\"c\":\"3\"}}"},
        {"ConfigMap", "{\"data\":{\"a\":\"1\"}}", "{\"data\":{\"a\":null,\"b\":\"2\"}}",
         "{\"data\":{\"b\":\"2\"}}"},
        {"ConfigMap", "{\"data\":{\"a\":\"1\"}}", "{\"data\":{\"$patch\":\"delete\"}}",
         "{\"data\":{}}"},
        {"Node", "{\"status\":{\"conditions\":[{\"type\":\"Ready\",\"status\":\"False\"}]}}",
         "{\"status\":{\"conditions\":[{\"type\":\"Ready\",\"status\":\"True\"}]}}",
         "{\"status\":{\"conditions\":[{\"type\":\"Ready\",\"status\":\"True\"}]}}"},
        {"ConfigMap", "{}", "{\"metadata\":{\"labels\":{\"a\":\"1\",\"b\":null}}}",
         "{\"metadata\":{\"labels\":{\"a\":\"1\"}}}"},
    };
    CLEANUP(schema_pool) struct schema_pool *pool = schema_pool_new();

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(error) struct error *err = NULL;
        json_auto_t *target = parse(cases[i].target), *patch = parse(cases[i].patch);
        json_t *merged = NULL;

        CHECK_OK(patch_strategic(schema_of(pool, cases[i].kind), target, patch, &merged, &err),
                 err);
        check_same(merged, cases[i].merged, cases[i].patch);
        check_same(target, cases[i].target, "the target");
        json_decref(merged);
    }
}

TEST(refuses_strategic_patches)
{
    static const struct {
        const char *patch, *message;
    } cases[] = {
        {"{\"spec\":{\"$patch\":\"explode\"}}", "unknown patch type \"explode\""},
        {POD("[{\"image\":\"x\"}]"), "does not contain declared merge key: name"},
        {"[]", "is not an object"},
    };
    CLEANUP(schema_pool) struct schema_pool *pool = schema_pool_new();

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(error) struct error *err = NULL;
        json_auto_t *target = parse(POD("[{\"name\":\"a\"}]")), *patch = parse(cases[i].patch);
        json_t *merged = NULL;

        CHECK_FAILS(patch_strategic(schema_of(pool, "Pod"), target, patch, &merged, &err), err,
                    ERROR_INVALID, cases[i].message);
    }
}
