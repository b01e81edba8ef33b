/* template-cases: runs cases of templates with recorded results; see template-cases(1). */
#include "main/cases.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "data/obj.h"
#include "lang/template/template.h"

#include <stdlib.h>
#include <string.h>

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

static void run_one(struct cases *cases, const char *path, const json_t *test)
{
    const char *category = obj_str(test, "kind", "?"), *name = obj_str(test, "id", "?");

    if (cases_skips(cases, category, name))
        return;
    CLEANUP(str) char *got = run_case(test);
    CLEANUP(str) char *want = wanted(test);
    CLEANUP(str) char *why = NULL;
    if (!str_eq(got, want))
        why = xasprintf("%s\n  got  %s\n  want %s", obj_str(test, "template", ""), got, want);
    cases_count(cases, category, path, name, why);
}

static int run_file(struct cases *cases, const char *path, struct span text, struct error **err)
{
    json_auto_t *file = obj_parse(text.ptr, text.len, err);
    size_t i;
    json_t *test;

    if (file == NULL)
        return -1;
    if (!json_is_array(obj_at(file, "cases")))
        return error_set(err, ERROR_INVALID, "there is no list \"cases\"");
    json_array_foreach(obj_arr(file, "cases"), i, test) run_one(cases, path, test);
    return 0;
}

int main(int argc, char **argv)
{
    static const struct cases_tool tool = {
        .name = "template-cases",
        .usage = "usage: template-cases [--skip FILE] [--verbose] PATH...\n"
                 "Runs cases of Go templates; PATH is a file of cases or a folder of such files.\n",
        .run_file = run_file,
    };

    return cases_main(&tool, argc, argv);
}
