/* tsl-cases FILE...: runs cases of the query language. */
#include "lang/tsl/tsl.h"

#include "base/error.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "data/obj.h"

#include <stdio.h>
#include <string.h>

enum { FILE_MAX = 64 * 1024 * 1024 };

struct tally {
    size_t passed, failed;
};

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

    if (tsl_parse(query, &tsl, err) == -1)
        return NULL;
    if (!json_is_array(data))
        return tsl_value(tsl, data, &value, err) == 0 ? value : NULL;
    return tsl_run(tsl, data, &rows, NULL, err) == 0 ? names_of(rows) : NULL;
}

static void run_one(const json_t *test, const json_t *data, struct tally *tally)
{
    CLEANUP(error) struct error *err = NULL;
    const json_t *want = obj_at(test, "want");
    const char *part = obj_str(want, "error", NULL);
    json_auto_t *got = run_case(obj_str(test, "query", ""), data, &err);
    CLEANUP(str) char *text = got != NULL ? obj_format(got) : error_format(err);
    CLEANUP(str) char *want_text = obj_format(want);

    if (part != NULL ? got == NULL && strstr(text, part) != NULL : obj_eq(got, want)) {
        tally->passed++;
        return;
    }
    tally->failed++;
    printf("FAIL %lld: %s\n  got  %s\n  want %s\n", (long long)obj_int(test, "row", 0),
           obj_str(test, "query", ""), text, want_text);
}

static int run_file(const char *path, struct tally tallies[2], struct error **err)
{
    static const char *const lists[] = {"expressions", "queries"};
    static const char *const data[] = {"record", "items"};
    CLEANUP(str) char *text = NULL;
    size_t len, i;
    json_t *test;

    if (file_read(path, FILE_MAX, &text, &len, err) == -1)
        return -1;
    json_auto_t *file = obj_parse(text, len, err);
    if (file == NULL)
        return error_wrap(err, "%s", path);
    for (int kind = 0; kind < 2; kind++)
        json_array_foreach(obj_arr(file, lists[kind]), i, test)
            run_one(test, obj_at(file, data[kind]), &tallies[kind]);
    return 0;
}

int main(int argc, char **argv)
{
    struct tally tallies[2] = {{0, 0}, {0, 0}};

    if (argc < 2) {
        fprintf(stderr, "usage: tsl-cases FILE...\n");
        return 2;
    }
    for (int i = 1; i < argc; i++) {
        struct error *err = NULL;

        if (run_file(argv[i], tallies, &err) == -1) {
            CLEANUP(str) char *text = error_format(err);
            fprintf(stderr, "tsl-cases: %s\n", text);
            error_free(err);
            return 1;
        }
    }
    printf("%-12s %6s %6s\n", "", "passed", "failed");
    printf("%-12s %6zu %6zu\n", "expressions", tallies[0].passed, tallies[0].failed);
    printf("%-12s %6zu %6zu\n", "queries", tallies[1].passed, tallies[1].failed);
    size_t failed = tallies[0].failed + tallies[1].failed;
    printf("%zu passed, %zu failed, 0 skipped\n", tallies[0].passed + tallies[1].passed, failed);
    return failed > 0;
}
