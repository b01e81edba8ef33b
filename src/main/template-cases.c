/* template-cases FILE...: runs cases of templates with recorded results. */
#include "lang/template/template.h"

#include "base/error.h"
#include "base/file.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/text.h"
#include "data/obj.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FILE_MAX = 64 * 1024 * 1024 };

struct tally {
    size_t passed, failed;
};

/* The outcome of a case as text: what was put out, "error: parse" or "error: exec". */
static char *run_case(const json_t *test)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(template) struct template *template = NULL;
    CLEANUP(buf) struct buf out = BUF_INIT(TEMPLATE_MAX_OUTPUT + 1);
    const char *text = obj_str(test, "template", "");
    bool strict = str_eq(obj_str(test, "kind", ""), "struct");

    if (template_parse("case", text, strlen(text), &template, &err) == -1)
        return xstrdup("error: parse");
    if (template_render(template, obj_at(test, "data"), strict ? TEMPLATE_STRUCT : TEMPLATE_MAP,
                        &out, &err) == -1)
        return xstrdup("error: exec");
    return buf_take(&out);
}

static char *wanted(const json_t *test)
{
    const char *error = obj_str(test, "error", NULL);
    const char *hex = obj_str(test, "want_hex", NULL);
    struct buf out = BUF_INIT(TEMPLATE_MAX_OUTPUT);

    if (error != NULL)
        return xasprintf("error: %s", str_eq(error, "panic") ? "exec" : error);
    if (hex == NULL)
        return xstrdup(obj_str(test, "want", ""));
    for (; hex[0] != '\0' && hex[1] != '\0'; hex += 2) {
        char pair[] = {hex[0], hex[1], '\0'};
        buf_add_char(&out, (char)strtoul(pair, NULL, 16));
    }
    return buf_take(&out);
}

static void run_one(const json_t *test, struct tally *tally)
{
    CLEANUP(str) char *got = run_case(test);
    CLEANUP(str) char *want = wanted(test);

    if (str_eq(got, want)) {
        tally->passed++;
        return;
    }
    tally->failed++;
    printf("FAIL %s: %s\n  got  %s\n  want %s\n", obj_str(test, "id", "?"),
           obj_str(test, "template", ""), got, want);
}

static int run_file(const char *path, struct tally tallies[2], struct error **err)
{
    CLEANUP(str) char *text = NULL;
    size_t len, i;
    json_t *test;

    if (file_read(path, FILE_MAX, &text, &len, err) == -1)
        return -1;
    json_auto_t *file = obj_parse(text, len, err);
    if (file == NULL)
        return error_wrap(err, "%s", path);
    json_array_foreach(obj_arr(file, "cases"), i, test)
        run_one(test, &tallies[str_eq(obj_str(test, "kind", ""), "map")]);
    return 0;
}

int main(int argc, char **argv)
{
    struct tally tallies[2] = {{0, 0}, {0, 0}};

    if (argc < 2) {
        fprintf(stderr, "usage: template-cases FILE...\n");
        return 2;
    }
    for (int i = 1; i < argc; i++) {
        struct error *err = NULL;

        if (run_file(argv[i], tallies, &err) == -1) {
            CLEANUP(str) char *text = error_format(err);
            fprintf(stderr, "template-cases: %s\n", text);
            error_free(err);
            return 1;
        }
    }
    printf("%-10s %6s %6s\n", "data", "passed", "failed");
    printf("%-10s %6zu %6zu\n", "struct", tallies[0].passed, tallies[0].failed);
    printf("%-10s %6zu %6zu\n", "map", tallies[1].passed, tallies[1].failed);
    size_t failed = tallies[0].failed + tallies[1].failed;
    printf("%zu passed, %zu failed, 0 skipped\n", tallies[0].passed + tallies[1].passed, failed);
    return failed > 0;
}
