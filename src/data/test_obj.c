#include "data/obj.h"

#include "base/mem.h"
#include "base/test.h"
#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>

static json_t *parse(const char *text)
{
    CLEANUP(error) struct error *err = NULL;
    json_t *value = obj_parse(text, strlen(text), &err);

    CHECK_OK(value != NULL ? 0 : -1, err);
    return value;
}

static void check_round_trip(const char *text, const char *want)
{
    json_auto_t *value = parse(text);
    CLEANUP(str) char *got = obj_format(value);

    CHECK_STR(got, want);
}

TEST(reads_and_writes_every_kind_of_value)
{
    static const struct {
        const char *text, *want;
    } cases[] = {
        {" {} ", "{}"},
        {"[ ]", "[]"},
        {"{\"b\": 1, \"a\" :[true,false , null]}", "{\"b\":1,\"a\":[true,false,null]}"},
        {"0", "0"},
        {"-0", "0"},
        {"9223372036854775807", "9223372036854775807"},
        {"-9223372036854775808", "-9223372036854775808"},
        {"9223372036854775808", "9.223372036854776e+18"},
        {"1.0", "1.0"},
        {"0.1", "0.1"},
        {"1e3", "1000.0"},
        {"-2.5E-3", "-0.0025"},
        {"1e300", "1e+300"},
        {"\"a\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"a\\\"\\\\/\\u0008\\u000c\\n\\r\\t\""},
        {"\"\\u00e4\\u20ac\\ud83d\\ude00\"", "\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\""},
        {"{\"\\u0061\": {\"\\u0062\": \"\\u0063\"}}", "{\"a\":{\"b\":\"c\"}}"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        check_round_trip(cases[i].text, cases[i].want);
}

TEST(keeps_a_long_key_with_escapes_while_its_value_is_read)
{
    char text[600];

    memset(text, 'k', sizeof(text));
    memcpy(text, "{\"\\n", 4);
    memcpy(text + 400, "\":\"\\t0123456789\"}", sizeof("\":\"\\t0123456789\"}"));
    json_auto_t *value = parse(text);
    CLEANUP(str) char *got = obj_format(value);
    CHECK_STR(got, text);
}

TEST(says_where_text_is_wrong)
{
    static const struct {
        const char *text, *part;
    } cases[] = {
        {"", "the text is empty"},
        {"  ", "line 1, column 3: the text ends too early"},
        {"{\n \"a\": tru}", "line 2, column 7: a value is missing or misspelt"},
        {"{\"a\":1,\n\"a\":2}", "line 2, column 1: the key is there twice"},
        {"[1,]", "line 1, column 4: a value is missing"},
        {"[1 2]", "',' or ']' is missing"},
        {"{\"a\" 1}", "':' is missing"},
        {"{\"a\":1 \"b\":2}", "',' or '}' is missing"},
        {"{a:1}", "a key in double quotes is missing"},
        {"1 1", "text behind the value"},
        {"01", "no leading zeros"},
        {"1.", "ends too early"},
        {"1.x", "behind the decimal point"},
        {"1e+", "ends too early"},
        {"-", "ends too early"},
        {"+1", "a value is missing"},
        {"1e999", "the number is too large"},
        {"\"abc", "the string has no end"},
        {"\"\\x\"", "column 2: unknown escape"},
        {"\"\\u12g4\"", "four hexadecimal digits"},
        {"\"\\ud800\"", "half of a surrogate pair"},
        {"\"\\ud800\\u0041\"", "half of a surrogate pair"},
        {"\"\\udc00\"", "half of a surrogate pair"},
        {"\"\\u0000\"", "\\u0000 is not accepted"},
        {"\"a\nb\"", "a control character"},
        {"\"\xff\"", "not valid UTF-8"},
        {"\"\\", "ends too early"},
        {"[", "ends too early"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(error) struct error *err = NULL;
        json_t *value = obj_parse(cases[i].text, strlen(cases[i].text), &err);

        CHECK_FAILS(value == NULL ? -1 : 0, err, ERROR_INVALID, cases[i].part);
    }
}

TEST(refuses_nesting_beyond_the_limit)
{
    char text[2 * (OBJ_MAX_DEPTH + 1) + 1];
    CLEANUP(error) struct error *err = NULL;

    memset(text, '[', OBJ_MAX_DEPTH);
    memset(text + OBJ_MAX_DEPTH, ']', OBJ_MAX_DEPTH);
    json_auto_t *value = obj_parse(text, 2 * OBJ_MAX_DEPTH, &err);
    CHECK(value != NULL);
    CHECK(obj_is_deeper_than(value, OBJ_MAX_DEPTH - 1));
    CHECK(!obj_is_deeper_than(value, OBJ_MAX_DEPTH));

    memset(text, '[', OBJ_MAX_DEPTH + 1);
    json_t *deeper = obj_parse(text, OBJ_MAX_DEPTH + 1, &err);
    CHECK_FAILS(deeper == NULL ? -1 : 0, err, ERROR_INVALID, "nested more than 64 deep");
}

TEST(reads_by_path)
{
    json_auto_t *o =
        parse("{\"spec\":{\"name\":\"web\",\"n\":4,\"on\":true,\"list\":[{\"x\":\"y\"},"
              "[1,2]]},\"labels\":{\"a.b/c\":\"d\"},\"no\":null}");

    CHECK_STR(obj_str(o, "spec.name", NULL), "web");
    CHECK_STR(obj_str(o, "spec.list[0].x", NULL), "y");
    CHECK_INT(obj_int(o, "spec.list[1][1]", 0), 2);
    CHECK_INT(obj_int(o, "spec.n", 0), 4);
    CHECK(obj_bool(o, "spec.on", false));
    CHECK_U64(obj_count(o, "spec.list"), 2);
    CHECK_STR(obj_map_str(obj_obj(o, "labels"), "a.b/c"), "d");

    CHECK_STR(obj_str(o, "spec.n", "fallback"), "fallback");
    CHECK_STR(obj_str(o, "no", "fallback"), "fallback");
    CHECK_STR(obj_str(o, "spec.name.deeper", "fallback"), "fallback");
    CHECK_STR(obj_str(NULL, "a", "fallback"), "fallback");
    CHECK_INT(obj_int(o, "spec.list[7]", -1), -1);
    CHECK(obj_arr(o, "spec") == NULL);
    CHECK(obj_obj(o, "spec.list") == NULL);
    CHECK(obj_map_str(NULL, "a") == NULL);
}

TEST(names_the_path_that_others_got_wrong)
{
    json_auto_t *o = parse("{\"vm\":{\"name\":4,\"id\":\"vm-1\",\"disks\":{}}}");
    CLEANUP(error) struct error *err = NULL;
    const char *text = "untouched";
    int64_t number = 7;
    json_t *list = NULL;

    CHECK_OK(obj_need_str(o, "vm.id", &text, &err), err);
    CHECK_STR(text, "vm-1");
    CHECK_FAILS(obj_need_str(o, "vm.name", &text, &err), err, ERROR_INVALID,
                "\"vm.name\" is a whole number, not a string");
    CHECK_STR(text, "vm-1");
    CHECK_FAILS(obj_need_int(o, "vm.cpus", &number, &err), err, ERROR_INVALID,
                "\"vm.cpus\" is missing");
    CHECK_INT(number, 7);
    CHECK_FAILS(obj_need_arr(o, "vm.disks", &list, &err), err, ERROR_INVALID,
                "\"vm.disks\" is an object, not a list");
}

TEST(puts_by_path_and_makes_what_is_on_the_way)
{
    json_auto_t *o = json_object();

    obj_put_str(o, "metadata.name", "web");
    obj_put_int(o, "spec.count", 3);
    obj_put_bool(o, "spec.on", false);
    obj_put_str(o, "status.list[]", "a");
    obj_put_str(o, "status.list[]", "b");
    obj_put_str(o, "status.list[0]", "c");
    obj_put_str(o, "status.vms[].name", "vm");
    obj_put_str(o, "metadata.absent", NULL);
    obj_take(o, "status.list[9]", json_string("past the end"));
    obj_take(o, "status.list[9].x", json_string("past the end"));
    obj_take(o, "spec.count.deeper", json_null());

    CLEANUP(str) char *got = obj_format(o);
    CHECK_STR(got,
              "{\"metadata\":{\"name\":\"web\"},\"spec\":{\"count\":{\"deeper\":null},"
              "\"on\":false},\"status\":{\"list\":[\"c\",\"b\"],\"vms\":[{\"name\":\"vm\"}]}}");
}

TEST(removes_by_path)
{
    json_auto_t *o = parse("{\"a\":{\"b\":1,\"c\":[1,2,3]}}");

    obj_del(o, "a.b");
    obj_del(o, "a.c[1]");
    obj_del(o, "a.x.y");
    CLEANUP(str) char *got = obj_format(o);
    CHECK_STR(got, "{\"a\":{\"c\":[1,3]}}");
}

TEST(copies_are_independent)
{
    json_auto_t *a = parse("{\"x\":{\"y\":[\"z\",{\"k\":1}]}}");
    json_auto_t *b = obj_copy(a);

    CHECK(obj_eq(a, b));
    obj_put_int(b, "x.y[1].k", 2);
    CHECK(!obj_eq(a, b));
    CHECK_INT(obj_int(a, "x.y[1].k", 0), 1);
    CHECK(obj_copy(NULL) == NULL);
}

TEST(compares_numbers_by_value_and_objects_without_order)
{
    json_auto_t *a = parse("{\"n\":1,\"m\":[2.0,\"x\"]}");
    json_auto_t *b = parse("{\"m\":[2,\"x\"],\"n\":1.0}");
    json_auto_t *c = parse("{\"m\":[2,\"x\"],\"n\":1.5}");

    CHECK(obj_eq(a, b));
    CHECK(!obj_eq(a, c));
    CHECK(!obj_eq(a, NULL));
    CHECK(obj_eq(NULL, NULL));
}

TEST(prints_for_people_with_sorted_keys)
{
    json_auto_t *o = parse("{\"b\":[],\"a\":{\"d\":[1,{}],\"c\":\"x\"}}");
    CLEANUP(str) char *got = obj_format_pretty(o);

    CHECK_STR(got, "{\n  \"a\": {\n    \"c\": \"x\",\n    \"d\": [\n      1,\n      {}\n    ]\n"
                   "  },\n  \"b\": []\n}");
}

TEST(mends_text_that_is_not_utf8)
{
    json_auto_t *o = json_object();

    obj_put_str(o, "name", "disk\xff-\xc3\xa4\xe2\x82");
    CHECK_STR(obj_str(o, "name", NULL), "disk\xef\xbf\xbd-\xc3\xa4\xef\xbf\xbd\xef\xbf\xbd");
}

TEST(packs_by_a_format)
{
    json_auto_t *o = obj_pack("{s:s,s:[i,b],s:s?}", "a", "b", "c", 4, 1, "d", NULL);
    CLEANUP(str) char *got = obj_format(o);

    CHECK_STR(got, "{\"a\":\"b\",\"c\":[4,true],\"d\":null}");
}
