/* rego-cases: runs files of Rego conformance cases and says which fail.
 *
 * A case brings modules, data, an input and a query, and wants bindings or an error's code.  The
 * format is described in rego-cases(1). */
#include "main/cases.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "lang/rego/json.h"
#include "lang/rego/rego.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MODULES_MAX = 1000 };

static bool v0, v1; /* options */

/* --- one case --------------------------------------------------------------------------------- */

struct outcome {
    const struct rval *result; /* an array of bindings */
    char code[64];             /* of the failure, or empty */
    char text[1024];
};

static void take_diags(struct outcome *out, const struct lang_diags *diags)
{
    const struct lang_diag *first = &diags->list[0];
    snprintf(out->code, sizeof(out->code), "%s", first->code);
    snprintf(out->text, sizeof(out->text), "%s:%u: %s: %s",
             first->pos.file != NULL ? first->pos.file : "", first->pos.line, first->code,
             first->msg);
}

static const struct rval *field(const struct rval *c, const char *name, enum rval_type type)
{
    const struct rval *v = rval_get_str(c, name);
    return v != NULL && v->type == type ? v : NULL;
}

static struct rego *compile_case(const struct rval *c, enum rego_version version,
                                 struct lang_diags *diags)
{
    static char names[MODULES_MAX][32];
    struct rego_source sources[MODULES_MAX];
    const struct rval *modules = field(c, "modules", RVAL_ARRAY);
    size_t count = 0;
    for (uint32_t i = 0; modules != NULL && i < modules->len && count < MODULES_MAX; i++) {
        if (modules->items[i]->type != RVAL_STRING)
            continue;
        snprintf(names[count], sizeof(names[count]), "test-%zu.rego", count);
        sources[count] = (struct rego_source){
            names[count], {modules->items[i]->string, modules->items[i]->len}, version};
        count++;
    }
    struct rego_options options = {.data = field(c, "data", RVAL_OBJECT)};
    return rego_compile(sources, count, &options, diags);
}

/* The input: JSON, or a term in Rego's notation. */
static int make_input(struct rego *set, const struct rval *c, struct arena *arena,
                      const struct rval **input, struct outcome *out)
{
    const struct rval *term = field(c, "input_term", RVAL_STRING);
    *input = rval_get_str(c, "input");
    if (term == NULL)
        return 0;
    CLEANUP(lang_diags) struct lang_diags diags = {0};
    CLEANUP(rego_query)
    struct rego_query *query =
        rego_query_new(set, (struct span){term->string, term->len}, REGO_V1, &diags);
    if (query == NULL) {
        take_diags(out, &diags);
        return -1;
    }
    CLEANUP(rego_eval) struct rego_eval *eval = rego_eval_new(set, NULL);
    struct rego_failure failure;
    const struct rval *value = NULL;
    if (rego_eval_run(eval, query, NULL, &value, &failure) == -1 || value == NULL)
        return -1;
    *input = rval_copy(arena, value);
    return 0;
}

static void run_case(const struct rval *c, enum rego_version version, struct arena *arena,
                     struct outcome *out)
{
    CLEANUP(lang_diags) struct lang_diags diags = {0};
    const struct rval *text = field(c, "query", RVAL_STRING);
    const struct rval *input = NULL, *result = NULL;
    struct rego_failure failure;

    CLEANUP(rego) struct rego *set = compile_case(c, version, &diags);
    if (set == NULL) {
        take_diags(out, &diags);
        return;
    }
    CLEANUP(rego_query)
    struct rego_query *query = rego_query_new(
        set, text != NULL ? (struct span){text->string, text->len} : SPAN("true"), version, &diags);
    if (query == NULL) {
        take_diags(out, &diags);
        return;
    }
    if (make_input(set, c, arena, &input, out) == -1)
        return;
    CLEANUP(rego_eval) struct rego_eval *eval = rego_eval_new(set, NULL);
    const struct rval *strict = rval_get_str(c, "strict_error");
    rego_eval_set_strict(eval, strict != NULL && rval_eq(strict, &rval_true));
    if (rego_eval_run(eval, query, input, &result, &failure) == -1) {
        snprintf(out->code, sizeof(out->code), "%s", failure.code);
        snprintf(out->text, sizeof(out->text), "%s", failure.text);
        return;
    }
    if (rego_query_is_term(query)) {
        /* A true term has one solution without bindings. */
        const struct rval **items = (const struct rval **)arena_alloc(arena, sizeof(*items));
        items[0] = &rval_empty_object;
        bool yes = result != NULL && !rval_is_false(result);
        out->result = rval_array(arena, items, yes ? 1 : 0);
        return;
    }
    out->result = rval_copy(arena, result);
}

/* --- comparison ------------------------------------------------------------------------------- */

/* As JSON has it: sets are arrays, keys are strings. */
static const struct rval *as_json(struct arena *arena, const struct rval *v)
{
    CLEANUP(buf) struct buf text = BUF_INIT(SIZE_MAX / 2);
    CLEANUP(error) struct error *err = NULL;
    const struct rval *copy = NULL;
    rjson_write(&text, v, RJSON_COMPACT);
    return rjson_read(arena, buf_span(&text), &copy, &err) == 0 ? copy : v;
}

/* All arrays inside in order, for cases that do not care. */
static const struct rval *sorted(struct arena *arena, const struct rval *v)
{
    if (v->type == RVAL_ARRAY) {
        const struct rval **items =
            (const struct rval **)arena_alloc(arena, (v->len + 1) * sizeof(*items));
        for (uint32_t i = 0; i < v->len; i++) {
            const struct rval *item = sorted(arena, v->items[i]);
            uint32_t k = i;
            for (; k > 0 && rval_compare(items[k - 1], item) > 0; k--)
                items[k] = items[k - 1];
            items[k] = item;
        }
        return rval_array(arena, items, v->len);
    }
    if (v->type == RVAL_OBJECT) {
        struct rval_pair_list pairs = {0};
        for (uint32_t i = 0; i < v->len; i++)
            rval_pair_list_push(arena, &pairs, v->pairs[i].key, sorted(arena, v->pairs[i].value));
        return rval_object(arena, pairs.ptr, pairs.len);
    }
    return v;
}

/* Both lists have the same elements, in any order. */
static bool same_solutions(const struct rval *got, const struct rval *want)
{
    if (got->len != want->len)
        return false;
    bool *used = (bool *)xcalloc(want->len + 1, sizeof(*used));
    bool same = true;
    for (uint32_t i = 0; i < got->len && same; i++) {
        uint32_t k = 0;
        while (k < want->len && (used[k] || !rval_eq(got->items[i], want->items[k])))
            k++;
        same = k < want->len;
        if (same)
            used[k] = true;
    }
    free(used);
    return same;
}

static bool check_case(const struct rval *c, const struct outcome *out, struct arena *arena,
                       struct buf *why)
{
    const struct rval *code = field(c, "want_error_code", RVAL_STRING);
    const struct rval *error = field(c, "want_error", RVAL_STRING);
    const struct rval *want = field(c, "want_result", RVAL_ARRAY);
    if (code != NULL || error != NULL) {
        /* Words are our own; a case that wants words only names the code among them. */
        bool ok = out->code[0] != '\0' && (code != NULL ? rval_str_is(code, out->code)
                                                        : strstr(error->string, out->code) != NULL);
        if (!ok)
            buf_printf(why, "wants %s, got %s", code != NULL ? code->string : error->string,
                       out->text[0] != '\0' ? out->text : "a result");
        return ok;
    }
    if (out->code[0] != '\0' || out->result == NULL) {
        buf_printf(why, "failed: %s", out->text);
        return false;
    }
    const struct rval *sort = rval_get_str(c, "sort_bindings");
    const struct rval *got = as_json(arena, out->result);
    want = want != NULL ? want : &rval_empty_array;
    if (sort != NULL && rval_eq(sort, &rval_true)) {
        got = sorted(arena, got);
        want = sorted(arena, want);
    }
    if (same_solutions(got, want))
        return true;
    buf_add(why, "wants ");
    rjson_write(why, want, RJSON_COMPACT);
    buf_add(why, ", got ");
    rjson_write(why, got, RJSON_COMPACT);
    return false;
}

/* --- files ------------------------------------------------------------------------------------ */

/* The name of the folder that PATH is in. */
static char *category_of(const char *path)
{
    const char *end = strrchr(path, '/');
    if (end == NULL)
        return xstrdup(".");
    const char *start = end;
    while (start > path && start[-1] != '/')
        start--;
    return xstrndup(start, (size_t)(end - start));
}

static enum rego_version version_of(const char *path)
{
    if (v0 || v1)
        return v0 ? REGO_V0 : REGO_V1;
    return strstr(path, "/v0/") != NULL || str_starts_with(path, "v0/") ? REGO_V0 : REGO_V1;
}

static void run_one(struct cases *cases, const char *path, const char *category,
                    const struct rval *c)
{
    CLEANUP(arena) struct arena arena = {0};
    CLEANUP(buf) struct buf why = BUF_INIT(4000);
    const struct rval *note = field(c, "note", RVAL_STRING);
    const char *name = note != NULL ? note->string : "(no note)";
    struct outcome out = {0};

    if (cases_skips(cases, category, name))
        return;
    run_case(c, version_of(path), &arena, &out);
    bool good = check_case(c, &out, &arena, &why);
    cases_count(cases, category, path, name, good ? NULL : why.ptr);
}

static int run_file(struct cases *cases, const char *path, struct span text, struct error **err)
{
    CLEANUP(str) char *category = category_of(path);
    CLEANUP(arena) struct arena arena = {0};
    const struct rval *whole = NULL;

    if (rjson_read(&arena, text, &whole, err) == -1)
        return -1;
    const struct rval *list = rval_get_str(whole, "cases");
    if (list == NULL || list->type != RVAL_ARRAY)
        return error_set(err, ERROR_INVALID, "there is no list \"cases\"");
    for (uint32_t i = 0; i < list->len; i++)
        if (list->items[i]->type == RVAL_OBJECT)
            run_one(cases, path, category, list->items[i]);
    return 0;
}

int main(int argc, char **argv)
{
    static const struct cases_tool tool = {
        .name = "rego-cases",
        .usage = "usage: rego-cases [--v0 | --v1] [--skip FILE] [--verbose] PATH...\n"
                 "Runs Rego conformance cases; PATH is a file of cases or a folder of such files.\n",
        .flags = {{"v0", &v0}, {"v1", &v1}},
        .run_file = run_file,
    };

    return cases_main(&tool, argc, argv);
}
