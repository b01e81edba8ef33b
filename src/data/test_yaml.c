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

TEST(plain_words_mean_what_they_mean_to_kubectl)
{
    static const char yaml[] = "a: [y, Y, yes, On, TRUE, n, No, OFF, False, yEs, ~, Null, nUll]\n"
                               "b: [1_000, 0b11, 0o17, 0X1f, +5, 08, -0x10, 9223372036854775808]\n"
                               "c: [.5, 5., 1e3, -1.5E-2, 1.2.3, '.', e5, +, .inf, 1e999]\n"
                               "on: 1\n010: 2\n'off': 3\n";
    static const char json[] =
        "[{\"a\":[true,true,true,true,true,false,false,false,false,\"yEs\",null,null,\"nUll\"],"
        "\"b\":[1000,3,15,31,5,8.0,-16,9.223372036854775808e18],"
        "\"c\":[0.5,5.0,1000.0,-0.015,\"1.2.3\",\".\",\"e5\",\"+\",\".inf\",\"1e999\"],"
        "\"true\":1,\"8\":2,\"off\":3}]";
    CLEANUP(error) struct error *err = NULL;
    json_auto_t *got = obj_parse_yaml(yaml, strlen(yaml), &err);
    json_auto_t *want = obj_parse(json, strlen(json), &err);
    CLEANUP(str) char *text = got != NULL ? obj_format(got) : NULL;

    CHECK(want != NULL);
    if (!obj_eq(got, want))
        test_fail(__FILE__, __LINE__, "got %s", text);
}

TEST(prints_as_kubectl_does)
{
    static const char json[] =
        "{\"spec\":{\"list\":[{\"b\":1,\"a\":[1,[2,3]]},\"x\",[\"y\"],{},[]],\"empty\":{},"
        "\"none\":null},\"kind\":\"Plan\"}";
    static const char want[] = "kind: Plan\n"
                               "spec:\n"
                               "  empty: {}\n"
                               "  list:\n"
                               "  - a:\n"
                               "    - 1\n"
                               "    - - 2\n"
                               "      - 3\n"
                               "    b: 1\n"
                               "  - x\n"
                               "  - - \"y\"\n"
                               "  - {}\n"
                               "  - []\n"
                               "  none: null\n";
    CLEANUP(error) struct error *err = NULL;
    json_auto_t *o = obj_parse(json, strlen(json), &err);
    CLEANUP(str) char *got = obj_format_yaml(o);

    CHECK_STR(got, want);
}

TEST(what_is_printed_reads_back_the_same)
{
    static const char *const texts[] = {
        "",
        "true",
        "1",
        "1.5",
        "null",
        "~",
        "a: b",
        "a:",
        "- a",
        "#a",
        "a #b",
        "a#b",
        "'a'",
        "\"a\"",
        " a",
        "a ",
        "a\nb",
        "a\nb\n",
        "a\n\nb\n\n",
        "\na",
        "  a\nb",
        "a\tb",
        "a\x01"
        "b",
        "{a}",
        "[a]",
        "*a",
        "&a",
        "!a",
        "%a",
        "@a",
        "`a",
        "|",
        ">",
        "?",
        "-",
        "--- a",
        "...",
        "=",
        "<<",
        "a\rb",
        "\xc3\xa4",
        "0x1f",
        "1_0",
        "y",
        "2026-01-01",
        "12:30:45",
        "a\\b",
        "\n",
        "a'b: c",
        "key: |",
        "x\n  y\n",
        "a\n ",
        "\t",
        "- a\n- b\n",
        "a\n#b\n",
        "\xe2\x80\xa8",
        "a\xc2\x85",
        "\xef\xbb\xbf"
        "a",
        "\xef\xbf\xbf",
        "a\\\"\n\x7f",
    };
    CLEANUP(error) struct error *err = NULL;
    json_auto_t *list = json_array();
    json_auto_t *object = json_object();

    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        json_array_append_new(list, json_string(texts[i]));
        json_object_set_new(object, texts[i], json_string(texts[i]));
    }
    obj_take(object, "nested.list", obj_copy(list));
    json_array_append_new(list, obj_copy(object));
    CLEANUP(str) char *yaml = obj_format_yaml(list);
    json_auto_t *back = obj_parse_yaml(yaml, strlen(yaml), &err);
    if (back == NULL)
        test_fail(__FILE__, __LINE__, "%s in\n%s", err->msg, yaml);
    for (size_t i = 0; i < json_array_size(list); i++) {
        json_t *got = json_array_get(json_array_get(back, 0), i);
        if (!obj_eq(got, json_array_get(list, i)))
            test_fail(__FILE__, __LINE__, "entry %zu changed in\n%s", i, yaml);
    }
}
