/* gantry policy explain and bench. */
#include "cli/policy.h"

#include "base/array.h"
#include "base/error.h"
#include "base/time.h"
#include "cli/home.h"
#include "lang/rego/json.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* --- explain ---------------------------------------------------------------------------------- */

struct explainer {
    const struct rego *rego;
    const struct rval *input;
};

static void show_value(const struct rval *v)
{
    CLEANUP(buf) struct buf out = BUF_INIT(1024 * 1024);
    rjson_write(&out, v, RJSON_REGO);
    if (out.len > 100)
        printf("%.97s...", out.ptr);
    else
        printf("%s", out.ptr);
}

/* One field that the rule looked at, with what the machine has there. */
static void show_input(void *arg, const struct rval *const *path, size_t len)
{
    const struct explainer *x = (const struct explainer *)arg;
    const struct rval *v = x->input;
    printf("    input");
    for (size_t i = 0; i < len; i++) {
        if (path[i]->type == RVAL_STRING)
            printf(".%s", path[i]->string);
        v = v != NULL && rval_is_collection(v) ? rval_get(v, path[i]) : NULL;
    }
    printf(" = ");
    if (v == NULL)
        printf("undefined");
    else
        show_value(v);
    printf("\n");
}

static void on_rule(void *arg, const struct rule *rule, const struct rval *value)
{
    const struct explainer *x = (const struct explainer *)arg;
    bool is_concern = rule->kind == RULE_SET && value->type == RVAL_OBJECT &&
                      rval_get_str(value, "category") != NULL;
    if (!is_concern)
        return;
    static const char *const keys[] = {"category", "label", "id", "assessment"};
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
        const struct rval *part = rval_get_str(value, keys[i]);
        if (part != NULL && part->type == RVAL_STRING)
            printf(i == 0 ? "%s: " : i == 1 ? "%s\n" : "  %s\n", part->string);
    }
    printf("  rule %s:%u because of\n", rule->module->file, rule->loc.line);
    rego_rule_inputs(x->rego, rule, show_input, arg);
    printf("\n");
}

static const char *guess_provider(const struct rval *input)
{
    static const struct {
        const char *key, *provider;
    } marks[] = {
        {"diskAttachments", "ovirt"}, {"flavor", "openstack"}, {"volumes", "openstack"},
        {"ovaPath", "ova"},           {"exportSource", "ova"}, {"managementType", "hyperv"},
        {"smbPath", "hyperv"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(marks); i++)
        if (rval_get_str(input, marks[i].key) != NULL)
            return marks[i].provider;
    return "vmware";
}

static int explain(struct rego *rego, const struct rval *input, const char *provider)
{
    const char *path[] = {"io", "konveyor", "forklift",
                          provider != NULL ? provider : guess_provider(input), "validate"};
    CLEANUP(rego_query) struct rego_query *query = rego_query_path(rego, path, ARRAY_SIZE(path));
    CLEANUP(rego_eval) struct rego_eval *eval = rego_eval_new(rego, NULL);
    struct explainer x = {rego, input};
    const struct rego_hooks hooks = {.arg = &x, .on_rule = on_rule};
    const struct rval *result = NULL;
    struct rego_failure failure;

    rego_eval_set_hooks(eval, &hooks);
    if (rego_eval_run(eval, query, input, &result, &failure) == -1) {
        fprintf(stderr, "%s\n", failure.text);
        return EXIT_FAILED;
    }
    const struct rval *concerns = result != NULL ? rval_get_str(result, "concerns") : NULL;
    printf("%u concerns (rules for %s)\n", concerns != NULL ? concerns->len : 0, path[3]);
    return EXIT_OK;
}

/* What is explained, and where it is from. */
struct wish {
    struct policy_options options;
    const char *input_path, *provider, *dir, *ns;
    const char *vm; /* or NULL */
};

static int explain_wish(const struct wish *wish)
{
    CLEANUP(arena) struct arena arena = {0};
    const struct rval *input = NULL;
    const char *provider = wish->provider, *package = NULL;
    struct error *err = NULL;

    if (wish->vm != NULL &&
        policy_read_vm(wish->dir, wish->ns, wish->vm, &arena, &input, &package, &err) == -1)
        return command_fail(err);
    if (wish->vm == NULL && policy_read_input(wish->input_path, &arena, &input, &err) == -1)
        return command_fail(err);
    CLEANUP(rego)
    struct rego *rego = wish->vm != NULL && wish->options.paths.len == 0
                            ? policy_compile_home(wish->dir)
                            : policy_compile(&wish->options, NULL, false);
    if (rego == NULL)
        return EXIT_FAILED;
    return explain(rego, input, provider != NULL ? provider : package);
}

int policy_explain(const struct command *self, int argc, char **argv)
{
    struct wish wish = {.ns = HOME_NAMESPACE};
    struct option_spec specs[POLICY_OPTION_COUNT + 4] = {
        [POLICY_OPTION_COUNT] = {"input", 'i', OPTION_TEXT, &wish.input_path, "FILE",
                                 "a machine, as the inventory shows its workload"},
        {"provider", 0, OPTION_TEXT, &wish.provider, "TYPE",
         "vmware, ovirt, openstack, ova or hyperv (default: the machine's, or guessed)"},
        {"namespace", 'n', OPTION_TEXT, &wish.ns, "NAME", "of the machine's provider"},
        {"dir", 0, OPTION_TEXT, &wish.dir, "DIR", "the folder given to gantry up"},
    };
    CLEANUP(word_list) struct word_list words = {0};

    policy_options_specs(&wish.options, specs);
    int status = command_options(self, specs, ARRAY_SIZE(specs), argc, argv, &words);
    if (status == -1 && (words.len > 1 || (words.len == 1) == (wish.input_path != NULL)))
        status = command_usage(self, "a machine's name or --input is needed");
    if (status == -1) {
        wish.vm = words.len > 0 ? words.ptr[0] : NULL;
        status = explain_wish(&wish);
    }
    word_list_reset(&wish.options.paths);
    return status;
}

/* --- bench ------------------------------------------------------------------------------------ */

enum { BENCH_ROUND = 100 };

/* Evaluations per second; WITH_JSON also reads the input's text and writes the result's. */
static int measure(struct rego *rego, const struct rego_query *query, struct span text,
                   int64_t seconds, bool with_json)
{
    CLEANUP(rego_eval) struct rego_eval *eval = rego_eval_new(rego, NULL);
    CLEANUP(buf) struct buf out = BUF_INIT(64 * 1024 * 1024);
    CLEANUP(arena) struct arena parsed = {0};
    const struct rval *input = NULL, *result = NULL;
    struct rego_failure failure;
    struct error *err = NULL;
    int64_t start = time_mono_us(), end = start + seconds * 1000000, count = 0;

    if (rjson_read(&parsed, text, &input, &err) == -1)
        return command_fail(err);
    while (time_mono_us() < end) {
        for (int i = 0; i < BENCH_ROUND; i++) {
            rego_eval_clear(eval);
            if (with_json && rjson_read(rego_eval_arena(eval), text, &input, &err) == -1)
                return command_fail(err);
            if (rego_eval_run(eval, query, input, &result, &failure) == -1) {
                fprintf(stderr, "%s\n", failure.text);
                return EXIT_FAILED;
            }
            buf_clear(&out);
            if (with_json && result != NULL)
                rjson_write(&out, result, RJSON_COMPACT);
        }
        count += BENCH_ROUND;
    }
    double taken = (double)(time_mono_us() - start) / 1e6;
    printf("%-34s %10.0f/s\n", with_json ? "with JSON in and out" : "with the input parsed",
           (double)count / taken);
    printf("%-34s %10" PRIu64 "\n", "steps of one evaluation", rego_eval_steps(eval));
    return EXIT_OK;
}

int policy_bench(const struct command *self, int argc, char **argv)
{
    struct policy_options options = {0};
    const char *input_path = NULL;
    int64_t seconds = 2;
    bool no_index = false, with_json = false;
    struct option_spec specs[POLICY_OPTION_COUNT + 4] = {
        [POLICY_OPTION_COUNT] = {"input", 'i', OPTION_TEXT, &input_path, "FILE", "the input"},
        {"seconds", 0, OPTION_INT, &seconds, "N", "how long to measure (default 2)"},
        {"no-index", 0, OPTION_FLAG, &no_index, NULL, "try every rule"},
        {"json", 0, OPTION_FLAG, &with_json, NULL, "read and write JSON each time"},
    };
    CLEANUP(word_list) struct word_list words = {0};
    CLEANUP(arena) struct arena arena = {0};
    CLEANUP(buf) struct buf text = BUF_INIT(SIZE_MAX / 2);
    const struct rval *input = NULL;
    struct error *err = NULL;

    policy_options_specs(&options, specs);
    int status = command_options(self, specs, ARRAY_SIZE(specs), argc, argv, &words);
    if (status == -1 && (input_path == NULL || words.len > 1 || seconds < 1 || seconds > 600))
        status =
            command_usage(self, "an input, at most one query and 1 to 600 seconds are expected");
    if (status == -1 && policy_read_input(input_path, &arena, &input, &err) == -1)
        status = command_fail(err);
    if (status == -1) {
        CLEANUP(lang_diags) struct lang_diags diags = {0};
        int64_t start = time_mono_us();
        CLEANUP(rego) struct rego *rego = policy_compile(&options, NULL, no_index);
        int64_t taken = time_mono_us() - start;
        CLEANUP(rego_query)
        struct rego_query *query =
            rego == NULL
                ? NULL
                : rego_query_new(rego,
                                 words.len > 0 ? span_of(words.ptr[0])
                                               : SPAN("data.io.konveyor.forklift.vmware.validate"),
                                 REGO_V1, &diags);
        policy_show_diags(&diags);
        if (query != NULL) {
            rjson_write(&text, input, RJSON_COMPACT);
            printf("%-34s %10.2f ms\n", "load and compile", (double)taken / 1000);
            printf("%-34s %10.0f KiB\n", "memory of the compiled set",
                   (double)rego_memory(rego) / 1024);
        }
        status =
            query != NULL ? measure(rego, query, buf_span(&text), seconds, with_json) : EXIT_FAILED;
    }
    word_list_reset(&options.paths);
    return status;
}
