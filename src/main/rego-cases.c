/* rego-cases: runs files of Rego conformance cases and says which fail.
 *
 * A case brings modules, data, an input and a query, and wants bindings or an error's code.  The
 * format is described in doc/man/rego-cases.1.pod. */
#include "base/error.h"
#include "base/file.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/vector.h"
#include "lang/rego/json.h"
#include "lang/rego/rego.h"

#include <dirent.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { FILE_SIZE_MAX = 64 * 1024 * 1024, MODULES_MAX = 1000 };

struct category {
    size_t passed, failed, skipped;
};

struct runner {
    struct map *categories;
    struct map *skips; /* reason by "category" or "file: note" */
    enum rego_version version;
    bool verbose;
    size_t passed, failed, skipped;
};

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

static struct category *find_category(struct runner *r, const char *name)
{
    struct category *category = (struct category *)map_find(r->categories, name);
    if (category == NULL) {
        category = (struct category *)xcalloc(1, sizeof(*category));
        map_put(r->categories, name, category);
    }
    return category;
}

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

static enum rego_version version_of(const struct runner *r, const char *path)
{
    if (r->version != REGO_AUTO)
        return r->version;
    return strstr(path, "/v0/") != NULL || str_starts_with(path, "v0/") ? REGO_V0 : REGO_V1;
}

static void count_case(struct runner *r, const char *path, const char *category_name,
                       const struct rval *c, struct arena *arena)
{
    const struct rval *note = field(c, "note", RVAL_STRING);
    const char *name = note != NULL ? note->string : "(no note)";
    struct category *category = find_category(r, category_name);
    if (map_find(r->skips, category_name) != NULL || map_find(r->skips, name) != NULL) {
        category->skipped++;
        r->skipped++;
        return;
    }
    CLEANUP(buf) struct buf why = BUF_INIT(4000);
    struct outcome out = {0};
    run_case(c, version_of(r, path), arena, &out);
    if (check_case(c, &out, arena, &why)) {
        category->passed++;
        r->passed++;
        if (r->verbose)
            printf("ok %s: %s\n", path, name);
        return;
    }
    category->failed++;
    r->failed++;
    printf("FAIL %s: %s: %s\n", path, name, why.ptr);
}

static int run_file(struct runner *r, const char *path, struct error **err)
{
    CLEANUP(str) char *text = NULL;
    CLEANUP(str) char *category = category_of(path);
    CLEANUP(arena) struct arena arena = {0};
    const struct rval *whole = NULL;
    size_t len;

    if (file_read(path, FILE_SIZE_MAX, &text, &len, err) == -1 ||
        rjson_read(&arena, (struct span){text, len}, &whole, err) == -1)
        return error_wrap(err, "file \"%s\"", path);
    const struct rval *cases = rval_get_str(whole, "cases");
    if (cases == NULL || cases->type != RVAL_ARRAY)
        return error_set(err, ERROR_INVALID, "file \"%s\" has no list \"cases\"", path);
    for (uint32_t i = 0; i < cases->len; i++) {
        CLEANUP(arena) struct arena scratch = {0};
        if (cases->items[i]->type == RVAL_OBJECT)
            count_case(r, path, category, cases->items[i], &scratch);
    }
    return 0;
}

static int run_path(struct runner *r, const char *path, struct error **err)
{
    struct stat info;
    if (stat(path, &info) == -1)
        return error_sys(err, errno, "cannot read \"%s\"", path);
    if (!S_ISDIR(info.st_mode))
        return run_file(r, path, err);
    struct dirent **names;
    int count = scandir(path, &names, NULL, alphasort);
    int result = count < 0 ? error_sys(err, errno, "cannot read \"%s\"", path) : 0;
    for (int i = 0; i < count; i++) {
        CLEANUP(str) char *below = path_join(path, names[i]->d_name);
        struct stat inside;
        bool wanted = names[i]->d_name[0] != '.' && result == 0 && stat(below, &inside) == 0 &&
                      (S_ISDIR(inside.st_mode) || str_ends_with(below, ".json"));
        if (wanted)
            result = run_path(r, below, err);
        free(names[i]);
    }
    if (count >= 0)
        free(names);
    return result;
}

/* Lines "NAME<tab>REASON", NAME a category or a case's note; "#" starts a comment. */
static int read_skips(struct runner *r, const char *path, struct error **err)
{
    CLEANUP(str) char *text = NULL;
    size_t len;
    if (file_read(path, FILE_SIZE_MAX, &text, &len, err) == -1)
        return -1;
    struct span rest = {text, len}, line;
    while (rest.len > 0 && span_split(&rest, '\n', &line)) {
        struct span name;
        line = span_trim(line);
        if (line.len == 0 || line.ptr[0] == '#')
            continue;
        if (!span_split(&line, '\t', &name) || span_trim(line).len == 0)
            return error_set(err, ERROR_INVALID, "\"%s\": \"%.*s\" is skipped without a reason",
                             path, (int)name.len, name.ptr);
        CLEANUP(str) char *key = span_dup(span_trim(name));
        free(map_put(r->skips, key, span_dup(span_trim(line))));
    }
    return 0;
}

static void print_table(const struct runner *r)
{
    const char *name;
    void *value;
    printf("\n%-36s %7s %7s %7s\n", "category", "passed", "failed", "skipped");
    for (size_t pos = 0; (name = map_next(r->categories, &pos, &value)) != NULL;) {
        const struct category *c = (const struct category *)value;
        printf("%-36s %7zu %7zu %7zu\n", name, c->passed, c->failed, c->skipped);
    }
    printf("\n%zu passed, %zu failed, %zu skipped\n", r->passed, r->failed, r->skipped);
}

static const char usage[] =
    "usage: rego-cases [--v0 | --v1] [--skip FILE] [--verbose] PATH...\n"
    "Runs Rego conformance cases; PATH is a file of cases or a folder of such files.\n";

static int parse_options(struct runner *r, int argc, char **argv, struct error **err)
{
    static const struct option options[] = {
        {"v0", no_argument, NULL, '0'},         {"v1", no_argument, NULL, '1'},
        {"skip", required_argument, NULL, 's'}, {"verbose", no_argument, NULL, 'v'},
        {"help", no_argument, NULL, 'h'},       {NULL, 0, NULL, 0},
    };
    int c;
    while ((c = getopt_long(argc, argv, "s:vh", options, NULL)) != -1) {
        if (c == '0' || c == '1')
            r->version = c == '0' ? REGO_V0 : REGO_V1;
        else if (c == 'v')
            r->verbose = true;
        else if (c == 's' && read_skips(r, optarg, err) == -1)
            return 1;
        else if (c == 'h') {
            fputs(usage, stdout);
            return 0;
        } else if (c == '?') {
            fputs(usage, stderr);
            return 2;
        }
    }
    if (optind == argc) {
        fputs(usage, stderr);
        return 2;
    }
    return -1;
}

int main(int argc, char **argv)
{
    struct runner r = {.categories = map_new(), .skips = map_new()};
    CLEANUP(error) struct error *err = NULL;
    int status = parse_options(&r, argc, argv, &err);

    for (int i = optind; status == -1 && i < argc; i++)
        if (run_path(&r, argv[i], &err) == -1)
            status = 1;
    if (err != NULL) {
        CLEANUP(str) char *text = error_format(err);
        fprintf(stderr, "rego-cases: %s\n", text);
    } else if (status == -1) {
        print_table(&r);
        status = r.failed > 0 ? 1 : 0;
    }
    map_free(r.categories, free);
    map_free(r.skips, free);
    return status;
}
