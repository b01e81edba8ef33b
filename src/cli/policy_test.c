/* gantry policy test: runs the rules called test_..., and says which lines they reached. */
#include "cli/policy.h"

#include "base/array.h"
#include "base/error.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/time.h"
#include "base/vector.h"
#include "lang/regex.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct one_test {
    char *path; /* data.a.test_b; owned */
    const char *file;
    uint32_t line;
    bool is_todo;
};
DEFINE_VECTOR(test_list, struct one_test)

struct finder {
    struct test_list tests;
    const struct regex *wanted;
};

static bool find_test(void *arg, const char *path, const struct rule *rule)
{
    struct finder *finder = (struct finder *)arg;
    const char *name = strrchr(path, '.');
    bool todo = name != NULL && str_starts_with(name + 1, "todo_test_");
    if (name == NULL || rule->is_function || rule->is_default ||
        (!todo && !str_starts_with(name + 1, "test_")))
        return true;
    CLEANUP(error) struct error *err = NULL;
    bool found = true;
    if (finder->wanted != NULL &&
        (regex_search(finder->wanted, span_of(path), 0, &found, NULL, 0, &err) == -1 || !found))
        return true;
    /* Two rules of one name are one document, but each counts as OPA counts them. */
    test_list_push(&finder->tests,
                   (struct one_test){xstrdup(path), rule->module->file, rule->loc.line, todo});
    return true;
}

static void keep_print(void *arg, const char *file, uint32_t line, const char *text)
{
    buf_printf((struct buf *)arg, "  %s:%u: %s\n", file, line, text);
}

/* True if the test holds; tells about it otherwise. */
static bool run_test(struct rego *rego, struct rego_eval *eval, const struct one_test *test,
                     struct buf *printed, bool verbose)
{
    CLEANUP(lang_diags) struct lang_diags diags = {0};
    CLEANUP(rego_query)
    struct rego_query *query = rego_query_new(rego, span_of(test->path), REGO_V1, &diags);
    struct rego_failure failure = {0};
    const struct rval *result = NULL;
    int64_t start = time_mono_us();

    buf_clear(printed);
    if (query == NULL) {
        policy_show_diags(&diags);
        return false;
    }
    rego_eval_clear(eval);
    int failed = rego_eval_run(eval, query, NULL, &result, &failure);
    bool pass = failed == 0 && result != NULL && !rval_is_false(result);
    if (verbose || !pass) {
        printf("%s: %s (%" PRId64 " us)\n", test->path,
               pass          ? "PASS"
               : failed == 0 ? "FAIL"
                             : "ERROR",
               time_mono_us() - start);
        if (!pass)
            printf("  %s:%u%s%s\n", test->file, test->line, failed != 0 ? ": " : "", failure.text);
        fputs(printed->ptr != NULL ? printed->ptr : "", stdout);
    }
    return pass;
}

/* Lines per file that hold an expression, and those that were reached. */
struct file_coverage {
    size_t expressions, reached;
};

static void print_coverage(const struct rego *rego, const uint8_t *covered)
{
    struct map *files = map_new();
    size_t all = 0, reached = 0;
    for (size_t i = 0; i < rego_expr_count(rego); i++) {
        const char *file;
        struct loc loc;
        if (!rego_expr_where(rego, i, &file, &loc))
            continue;
        struct file_coverage *row = (struct file_coverage *)map_find(files, file);
        if (row == NULL) {
            row = (struct file_coverage *)xcalloc(1, sizeof(*row));
            map_put(files, file, row);
        }
        row->expressions++;
        row->reached += covered[i];
        all++;
        reached += covered[i];
        if (!covered[i])
            printf("not reached: %s:%u\n", file, loc.line);
    }
    const char *name;
    void *value;
    for (size_t pos = 0; (name = map_next(files, &pos, &value)) != NULL;) {
        const struct file_coverage *row = (const struct file_coverage *)value;
        printf("%6.1f %%  %s\n", 100.0 * (double)row->reached / (double)row->expressions, name);
    }
    printf("%6.1f %%  of %zu expressions\n",
           all > 0 ? 100.0 * (double)reached / (double)all : 100.0, all);
    map_free(files, free);
}

static int run_tests(struct rego *rego, const struct test_list *tests, bool verbose, bool coverage)
{
    CLEANUP(rego_eval) struct rego_eval *eval = rego_eval_new(rego, NULL);
    CLEANUP(buf) struct buf printed = BUF_INIT(1024 * 1024);
    uint8_t *covered = (uint8_t *)xcalloc(rego_expr_count(rego) + 1, 1);
    const struct rego_hooks hooks = {
        .arg = &printed, .on_print = keep_print, .covered = coverage ? covered : NULL};
    size_t passed = 0, count = 0, todo = 0;

    rego_eval_set_hooks(eval, &hooks);
    for (size_t i = 0; i < tests->len; i++) {
        if (tests->ptr[i].is_todo) {
            printf("%s: SKIPPED\n", tests->ptr[i].path);
            todo++;
            continue;
        }
        count++;
        passed += run_test(rego, eval, &tests->ptr[i], &printed, verbose);
    }
    if (coverage)
        print_coverage(rego, covered);
    if (passed < count)
        printf("FAIL: %zu/%zu\n", count - passed, count);
    if (todo > 0)
        printf("SKIPPED: %zu/%zu\n", todo, count + todo);
    printf("PASS: %zu/%zu\n", passed, count);
    free(covered);
    return passed == count ? EXIT_OK : EXIT_FAILED;
}

int policy_test(const struct command *self, int argc, char **argv)
{
    struct policy_options options = {0};
    const char *run = NULL;
    bool verbose = false, coverage = false;
    struct option_spec specs[POLICY_OPTION_COUNT + 3] = {
        [POLICY_OPTION_COUNT] = {"run", 'r', OPTION_TEXT, &run, "REGEX",
                                 "only tests whose path matches"},
        {"verbose", 'v', OPTION_FLAG, &verbose, NULL, "show every test"},
        {"coverage", 0, OPTION_FLAG, &coverage, NULL, "show what the tests did not reach"},
    };
    CLEANUP(word_list) struct word_list words = {0};
    CLEANUP(regex) struct regex *wanted = NULL;
    struct finder finder = {0};
    struct error *err = NULL;

    policy_options_specs(&options, specs);
    int status = command_options(self, specs, ARRAY_SIZE(specs), argc, argv, &words);
    if (status == -1 && words.len == 0)
        status = command_usage(self, "a file or folder is expected");
    if (status == -1 && run != NULL && regex_compile(span_of(run), &wanted, &err) == -1)
        status = command_fail(err);
    if (status == -1) {
        CLEANUP(rego) struct rego *rego = policy_compile(&options, &words, false);
        finder.wanted = wanted;
        if (rego != NULL)
            rego_each_rule(rego, find_test, &finder);
        status = rego != NULL ? run_tests(rego, &finder.tests, verbose, coverage) : EXIT_FAILED;
        for (size_t i = 0; i < finder.tests.len; i++)
            free(finder.tests.ptr[i].path);
    }
    test_list_reset(&finder.tests);
    word_list_reset(&options.paths);
    return status;
}
