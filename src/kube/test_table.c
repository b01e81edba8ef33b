#include "kube/table.h"

#include "base/test.h"
#include "base/text.h"
#include "data/obj.h"

#include <stdlib.h>

static json_t *parse(const char *text)
{
    CLEANUP(error) struct error *err = NULL;
    json_t *value = obj_parse(text, strlen(text), &err);

    if (value == NULL)
        test_fail(__FILE__, __LINE__, "%s: %s", text, err->msg);
    return value;
}

TEST(shows_ages_as_people_read_them)
{
    static const struct {
        int64_t seconds;
        const char *text;
    } cases[] = {
        {-5, "<invalid>"}, {-1, "0s"},         {0, "0s"},        {119, "119s"},
        {120, "2m"},       {185, "3m5s"},      {600, "10m"},     {10799, "179m"},
        {10800, "3h"},     {12000, "3h20m"},   {28800, "8h"},    {172800, "2d"},
        {187200, "2d4h"},  {691200, "8d"},     {63072000, "2y"}, {64000000, "2y10d"},
        {252288000, "8y"}, {400000000, "12y"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char text[TABLE_AGE_SIZE];

        CHECK_STR(table_format_age(cases[i].seconds * 1000, text), cases[i].text);
    }
}

TEST(finds_by_json_path)
{
    json_auto_t *o = parse("{\"a\":{\"b.c\":1,\"d\":[{\"t\":\"x\",\"s\":\"X\"},{\"t\":\"y\",\"s\":"
                           "\"Y\",\"n\":{\"m\":true}}]},\"e\":[]}");
    static const struct {
        const char *path, *value;
    } cases[] = {
        {".a.d[0].s", "\"X\""},
        {".a.d[1].s", "\"Y\""},
        {".a.d[-1].s", "\"Y\""},
        {".a.d[2].s", NULL},
        {".a.d[?(@.t=='y')].s", "\"Y\""},
        {".a.d[?(@.t==\"y\")].s", "\"Y\""},
        {".a.d[?(@.n.m == true)].t", "\"y\""},
        {".a.d[?(@.t=='z')].s", NULL},
        {".a.d[*].s", "\"X\""},
        {".a['b.c']", "1"},
        {".a.b\\.c", "1"},
        {".e[0]", NULL},
        {".a.d.s", NULL},
        {".x.y", NULL},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(error) struct error *err = NULL;
        CLEANUP(json_path) struct json_path *path = json_path_compile(cases[i].path, &err);

        if (path == NULL)
            test_fail(__FILE__, __LINE__, "%s: %s", cases[i].path, err->msg);

        json_t *found = json_path_find(path, o);
        CLEANUP(str) char *text = found != NULL ? json_dumps(found, JSON_ENCODE_ANY) : NULL;

        CHECK_STR(text, cases[i].value);
    }
}

TEST(refuses_paths_it_does_not_understand)
{
    static const char *const paths[] = {"",       "a",          "..a",     ".a[",        ".a[x]",
                                        ".a['b]", ".a[?(@.b)]", ".a[0:1]", ".a[?(b==1)]"};

    for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
        CLEANUP(error) struct error *err = NULL;
        struct json_path *path = json_path_compile(paths[i], &err);

        CHECK_FAILS(path == NULL ? -1 : 0, err, ERROR_INVALID, "not understood at character");
    }
}

static struct table_columns *columns_of(const char *text)
{
    CLEANUP(cause_list) struct cause_list causes = {0};
    json_auto_t *in = parse(text);
    struct table_columns *columns = table_columns_new(in, "columns", &causes);

    if (columns == NULL)
        test_fail(__FILE__, __LINE__, "%s", cause_list_format(&causes));
    return columns;
}

TEST(makes_rows_with_typed_cells)
{
    CLEANUP(table_columns)
    struct table_columns *columns = columns_of(
        "[{\"name\":\"A\",\"type\":\"string\",\"jsonPath\":\".spec.a\"},"
        "{\"name\":\"N\",\"type\":\"integer\",\"jsonPath\":\".spec.n\"},"
        "{\"name\":\"B\",\"type\":\"boolean\",\"jsonPath\":\".spec.b\"},"
        "{\"name\":\"L\",\"type\":\"string\",\"jsonPath\":\".spec.l\"},"
        "{\"name\":\"Age\",\"type\":\"date\",\"jsonPath\":\".metadata.creationTimestamp\"},"
        "{\"name\":\"Bad\",\"type\":\"date\",\"jsonPath\":\".spec.a\"}]");
    json_auto_t *o = parse("{\"metadata\":{\"name\":\"x\",\"creationTimestamp\":"
                           "\"2026-01-01T00:00:00Z\"},\"spec\":{\"a\":\"t\",\"n\":2.0,\"b\":1,"
                           "\"l\":[1,2]}}");
    json_auto_t *row = table_row(columns, o, TABLE_METADATA, 1767225600000 + 90000);
    CLEANUP(str) char *text = obj_format(row);

    CHECK_STR(text, "{\"cells\":[\"x\",\"t\",2,null,\"[1,2]\",\"90s\",\"<invalid>\"],\"object\":"
                    "{\"kind\":\"PartialObjectMetadata\",\"apiVersion\":\"meta.k8s.io/v1\","
                    "\"metadata\":{\"name\":\"x\",\"creationTimestamp\":\"2026-01-01T00:00:00Z\"}"
                    "}}");
}

TEST(shows_an_age_when_there_are_no_columns)
{
    CLEANUP(table_columns) struct table_columns *columns = columns_of("[]");
    json_auto_t *definitions = table_definitions(columns);

    CHECK_U64(json_array_size(definitions), 2);
    CHECK_STR(obj_str(definitions, "[0].format", ""), "name");
    CHECK_STR(obj_str(definitions, "[1].type", ""), "date");
}

TEST(says_which_column_is_wrong)
{
    CLEANUP(cause_list) struct cause_list causes = {0};
    json_auto_t *in = parse("[{\"name\":\"A\",\"type\":\"string\",\"jsonPath\":\"x\"},"
                            "{\"type\":\"string\"}]");

    CHECK(table_columns_new(in, "c", &causes) == NULL);
    CHECK_U64(causes.len, 3);
    CHECK_STR(causes.ptr[0].field, "c[0].jsonPath");
    CHECK_STR(causes.ptr[1].field, "c[1].jsonPath");
    CHECK_STR(causes.ptr[2].field, "c[1].name");
}

TEST(knows_the_cells_of_pods_and_jobs)
{
    static const struct {
        const char *cell, *object, *text;
    } cases[] = {
        {"pod-status", "{\"status\":{\"phase\":\"Running\"}}", "Running"},
        {"pod-status",
         "{\"status\":{\"phase\":\"Pending\",\"containerStatuses\":[{\"state\":{\"waiting\":"
         "{\"reason\":\"ErrImagePull\"}}}]}}",
         "ErrImagePull"},
        {"pod-status",
         "{\"status\":{\"phase\":\"Failed\",\"containerStatuses\":[{\"state\":{\"terminated\":"
         "{\"exitCode\":7}}}]}}",
         "ExitCode:7"},
        {"pod-status",
         "{\"spec\":{\"initContainers\":[1,2]},\"status\":{\"phase\":\"Pending\","
         "\"initContainerStatuses\":[{\"state\":{\"terminated\":{\"exitCode\":0}}},{}]}}",
         "Init:1/2"},
        {"pod-status",
         "{\"metadata\":{\"deletionTimestamp\":\"x\"},\"status\":{\"phase\":\"Running\"}}",
         "Terminating"},
        {"pod-ready",
         "{\"spec\":{\"containers\":[1,2]},\"status\":{\"containerStatuses\":[{\"ready\":true,"
         "\"state\":{\"running\":{}}},{\"ready\":false}]}}",
         "1/2"},
        {"pod-restarts",
         "{\"status\":{\"containerStatuses\":[{\"restartCount\":3,\"lastState\":{\"terminated\":"
         "{\"finishedAt\":\"1970-01-01T00:00:01Z\"}}}]}}",
         "3 (5m ago)"},
        {"job-completions", "{\"spec\":{\"completions\":2},\"status\":{\"succeeded\":1}}", "1/2"},
        {"job-completions", "{\"spec\":{\"parallelism\":3}}", "0/1 of 3"},
        {"job-status", "{\"status\":{\"conditions\":[{\"type\":\"Failed\",\"status\":\"True\"}]}}",
         "Failed"},
        {"access-modes-of-volume",
         "{\"spec\":{\"accessModes\":[\"ReadWriteMany\",\"ReadWriteOnce\"]}}", "RWO,RWX"},
        {"event-object", "{\"involvedObject\":{\"kind\":\"Plan\",\"name\":\"p\"}}", "plan/p"},
        {"binding-accounts",
         "{\"subjects\":[{\"kind\":\"ServiceAccount\",\"namespace\":\"n\",\"name\":\"a\"},"
         "{\"kind\":\"User\",\"name\":\"u\"}]}",
         "n/a"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(str)
        char *column = xasprintf("[{\"name\":\"X\",\"type\":\"string\",\"x-gantry-cell\":\"%s\"}]",
                                 cases[i].cell);
        CLEANUP(table_columns) struct table_columns *columns = columns_of(column);
        json_auto_t *o = parse(cases[i].object);
        json_auto_t *row = table_row(columns, o, TABLE_NONE, 301001);

        CHECK_STR(obj_str(row, "cells[1]", NULL), cases[i].text);
    }
}
