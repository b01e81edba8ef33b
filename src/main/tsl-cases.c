/* tsl-cases: runs cases of the query language; see tsl-cases(1). */
#include "main/cases.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "data/obj.h"
#include "lang/tsl/tsl.h"

#include <stdio.h>
#include <string.h>

static bool strict;

/* The names of ROWS as an array. */
static json_t *names_of(const json_t *rows)
{
    json_t *names = json_array();
    size_t i;
    json_t *row;

    json_array_foreach(rows, i, row)
        json_array_append_new(names, obj_new_str(obj_str(row, "name", "")));
    return names;
}

/* The value of an expression for DATA, or the names that a query keeps of it. */
static json_t *run_case(const char *query, const json_t *data, struct error **err)
{
    CLEANUP(tsl) struct tsl *tsl = NULL;
    json_auto_t *rows = NULL;
    json_t *value = NULL;

    if (tsl_parse_mode(query, strict ? TSL_STRICT : TSL_LENIENT, &tsl, err) == -1)
        return NULL;
    if (!json_is_array(data))
        return tsl_value(tsl, data, &value, err) == 0 ? value : NULL;
    return tsl_run(tsl, data, &rows, NULL, err) == 0 ? names_of(rows) : NULL;
}

static void run_one(struct cases *cases, const char *path, const char *category,
                    const json_t *test, const json_t *data)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(str) char *name = xasprintf("%lld", (long long)obj_int(test, "row", 0));
    const char *query = obj_str(test, "query", "");
    const json_t *want = obj_at(test, "want");

    /* "strict" is what the old tool answers where that differs. */
    if (strict && obj_at(test, "strict") != NULL)
        want = obj_at(test, "strict");
    if (cases_skips(cases, category, name))
        return;
    const char *part = obj_str(want, "error", NULL);
    json_auto_t *got = run_case(query, data, &err);
    CLEANUP(str) char *text = got != NULL ? obj_format(got) : error_format(err);
    CLEANUP(str) char *want_text = obj_format(want);
    CLEANUP(str) char *why = NULL;
    bool good = part != NULL ? got == NULL && strstr(text, part) != NULL : obj_eq(got, want);
    if (!good)
        why = xasprintf("%s\n  got  %s\n  want %s", query, text, want_text);
    cases_count(cases, category, path, name, why);
}

static int run_file(struct cases *cases, const char *path, struct span text, struct error **err)
{
    static const char *const lists[] = {"expressions", "queries"};
    static const char *const data[] = {"record", "items"};
    json_auto_t *file = obj_parse(text.ptr, text.len, err);
    size_t i;
    json_t *test;

    if (file == NULL)
        return -1;
    if (!json_is_array(obj_at(file, lists[0])) && !json_is_array(obj_at(file, lists[1])))
        return error_set(err, ERROR_INVALID, "there is no list \"expressions\" or \"queries\"");
    for (int kind = 0; kind < 2; kind++)
        json_array_foreach(obj_arr(file, lists[kind]), i, test)
            run_one(cases, path, lists[kind], test, obj_at(file, data[kind]));
    return 0;
}

int main(int argc, char **argv)
{
    static const struct cases_tool tool = {
        .name = "tsl-cases",
        .usage = "usage: tsl-cases [--strict] [--skip FILE] [--verbose] PATH...\n"
                 "Runs cases of the query language; PATH is a file of cases or a folder of such "
                 "files.\n",
        .flags = {{"strict", &strict}},
        .run_file = run_file,
    };

    return cases_main(&tool, argc, argv);
}
