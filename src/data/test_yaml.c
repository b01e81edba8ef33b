#include "data/yaml.h"

#include "base/test.h"
#include "base/text.h"
#include "data/obj.h"

#include <stdlib.h>

TEST(reads_what_kubernetes_manifests_have)
{
    static const struct {
        const char *yaml, *json;
    } cases[] = {
        {"a: 1\nb: [x, 'y', \"z\"]\n", "[{\"a\":1,\"b\":[\"x\",\"y\",\"z\"]}]"},
        {"---\na: 1\n---\n---\nb: ~\n", "[{\"a\":1},{\"b\":null}]"},
        {"a: yes\nb: 'yes'\nc: !!str 1\nd: 0x1F\ne: 010\nf: 1.5\ng: 1e3\nh: 1.2.3\ni: -4\n",
         "[{\"a\":true,\"b\":\"yes\",\"c\":\"1\",\"d\":31,\"e\":8,\"f\":1.5,\"g\":1000.0,\"h\":"
         "\"1.2.3\",\"i\":-4}]"},
        {"t: 2026-01-02T03:04:05Z\nm: 00:50:56:aa:bb:cc\nq: 10Gi\nx: e5\n",
         "[{\"t\":\"2026-01-02T03:04:05Z\",\"m\":\"00:50:56:aa:bb:cc\",\"q\":\"10Gi\",\"x\":"
         "\"e5\"}]"},
        {"s: |\n  one\n  two\nf: >-\n  one\n  two\n",
         "[{\"s\":\"one\\ntwo\\n\",\"f\":\"one two\"}]"},
        {"a: &x {k: 1}\nb: *x\nc:\n  <<: *x\n  k: 2\n  l: 3\n",
         "[{\"a\":{\"k\":1},\"b\":{\"k\":1},\"c\":{\"k\":2,\"l\":3}}]"},
        {"", "[]"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(error) struct error *err = NULL;
        json_auto_t *got = obj_parse_yaml(cases[i].yaml, strlen(cases[i].yaml), &err);
        json_auto_t *want = obj_parse(cases[i].json, strlen(cases[i].json), &err);

        if (got == NULL)
            test_fail(__FILE__, __LINE__, "%s: %s", cases[i].yaml, err->msg);

        CLEANUP(str) char *text = obj_format(got);

        if (!obj_eq(got, want))
            test_fail(__FILE__, __LINE__, "%s gives %s", cases[i].yaml, text);
    }
}

TEST(refuses_bad_text_and_says_where)
{
    static const struct {
        const char *yaml, *message;
    } cases[] = {
        {"a: 1\na: 2\n", "line 2: a key is there twice"},
        {"a: [1\n", "line"},
        {"b: 1\na: *x\n", "line 2: an alias of an anchor"},
        {"? [a]\n: 1\n", "line 1: a key must be plain text"},
        {"<<: 1\n", "a merge key needs a mapping"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(error) struct error *err = NULL;
        json_t *got = obj_parse_yaml(cases[i].yaml, strlen(cases[i].yaml), &err);

        CHECK_FAILS(got == NULL ? -1 : 0, err, ERROR_INVALID, cases[i].message);
    }
}

TEST(bounds_depth_and_aliases_of_aliases)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(buf) struct buf text = BUF_INIT(10000);

    for (int i = 0; i < YAML_DOC_MAX_DEPTH + 1; i++)
        buf_add_char(&text, '[');
    CHECK_FAILS(obj_parse_yaml(text.ptr, text.len, &err) == NULL ? -1 : 0, err, ERROR_INVALID,
                "too many levels");
    buf_clear(&text);
    buf_add(&text, "l0: &l0 [x, x, x, x, x, x, x, x, x, x]\n");
    for (int i = 1; i < 10; i++) {
        buf_printf(&text, "l%d: &l%d [", i, i);
        for (int j = 0; j < 10; j++)
            buf_printf(&text, "%s*l%d", j > 0 ? ", " : "", i - 1);
        buf_add(&text, "]\n");
    }
    CHECK_FAILS(obj_parse_yaml(text.ptr, text.len, &err) == NULL ? -1 : 0, err, ERROR_INVALID,
                "too many values");
}
