/* gantry policy: evaluates, tests, checks, formats and explains policies. */
#include "cli/policy.h"

#include "base/array.h"
#include "base/error.h"
#include "base/file.h"
#include "cli/commands.h"
#include "lang/rego/json.h"

#include <stdio.h>
#include <string.h>

enum { INPUT_SIZE_MAX = 100 * 1000 * 1000 };

static const struct command subcommands[] = {
    {"eval", "[-d PATH]... [-i INPUT] [-f json|pretty] QUERY", "evaluate a query", policy_eval},
    {"test", "PATH... [-v] [--run REGEX] [--coverage]", "run the rules called test_...",
     policy_test},
    {"check", "PATH...", "say whether policies are sound", policy_check},
    {"fmt", "[--write | --check] FILE...", "lay policies out as usual", policy_fmt},
    {"explain", "[-d PATH]... VM | PROVIDER/VM | -i INPUT [--provider TYPE]",
     "say which rule raises a concern, and because of what", policy_explain},
    {"bench", "[-d PATH]... -i INPUT [--seconds N] [--no-index] [--json] [QUERY]",
     "measure evaluations per second", policy_bench},
    {"list", "[-d PATH]... | --home [--dir DIR]", "list the rules in force and where each comes from", policy_list},
};

void policy_options_specs(struct policy_options *options,
                          struct option_spec specs[POLICY_OPTION_COUNT])
{
    specs[0] = (struct option_spec){"data",      'd',
                                    OPTION_LIST, &options->paths,
                                    "PATH",      "policies and data (default: those of gantry)"};
    specs[1] = (struct option_spec){"v0", 0, OPTION_FLAG, &options->v0, NULL, "files are Rego v0"};
    specs[2] = (struct option_spec){"v1",         0,    OPTION_FLAG,
                                    &options->v1, NULL, "files are Rego v1 (default: v1, else v0)"};
}

void policy_show_diags(const struct lang_diags *diags)
{
    CLEANUP(buf) struct buf text = BUF_INIT(1024 * 1024);
    for (size_t i = 0; i < diags->count; i++)
        lang_diag_print(&diags->list[i], &text);
    if (diags->dropped > 0)
        buf_printf(&text, "and %zu more\n", diags->dropped);
    fputs(text.ptr != NULL ? text.ptr : "", stderr);
}

static int add_all(struct policy_files *files, const struct word_list *paths,
                   enum rego_version version, struct error **err)
{
    for (size_t i = 0; paths != NULL && i < paths->len; i++)
        if (policy_files_add_path(files, paths->ptr[i], version, err) == -1)
            return -1;
    return 0;
}

struct rego *policy_compile(const struct policy_options *options, const struct word_list *more,
                            bool no_index)
{
    CLEANUP(policy_files) struct policy_files *files = policy_files_new();
    CLEANUP(lang_diags) struct lang_diags diags = {0};
    enum rego_version version = options->v0 ? REGO_V0 : options->v1 ? REGO_V1 : REGO_AUTO;
    struct error *err = NULL;

    if (add_all(files, &options->paths, version, &err) == -1 ||
        add_all(files, more, version, &err) == -1) {
        command_fail(err);
        return NULL;
    }
    if (options->paths.len == 0 && (more == NULL || more->len == 0))
        policy_files_add_defaults(files);
    struct rego *rego = policy_files_compile(files, no_index, &diags);
    policy_show_diags(&diags);
    return rego;
}

int policy_read_input(const char *path, struct arena *arena, const struct rval **input,
                      struct error **err)
{
    CLEANUP(str) char *text = NULL;
    size_t len;
    if (file_read(strcmp(path, "-") == 0 ? "/dev/stdin" : path, INPUT_SIZE_MAX, &text, &len, err) ==
            -1 ||
        rjson_read(arena, (struct span){text, len}, input, err) == -1)
        return error_wrap(err, "input \"%s\"", path);
    return 0;
}

/* --- eval ------------------------------------------------------------------------------------- */

static void show_print(void *arg, const char *file, uint32_t line, const char *text)
{
    fprintf(stderr, "%s:%u: %s\n", file, line, text);
}

static int print_result(const struct rego_query *query, const struct rval *result, bool pretty)
{
    CLEANUP(buf) struct buf out = BUF_INIT(SIZE_MAX / 2);
    enum rjson_style style = pretty ? RJSON_PRETTY : RJSON_COMPACT;
    if (pretty) {
        if (result == NULL)
            buf_add(&out, "undefined");
        else
            rjson_write(&out, result, style);
    } else if (result == NULL) {
        buf_add(&out, "{}");
    } else {
        buf_add(&out, rego_query_is_term(query) ? "{\"result\":" : "{\"bindings\":");
        rjson_write(&out, result, style);
        buf_add_char(&out, '}');
    }
    puts(out.ptr);
    return EXIT_OK;
}

static int run_query(struct rego *rego, const char *text, const char *input_path, bool pretty,
                     bool strict)
{
    CLEANUP(lang_diags) struct lang_diags diags = {0};
    CLEANUP(rego_query)
    struct rego_query *query = rego_query_new(rego, span_of(text), REGO_V1, &diags);
    if (query == NULL) {
        policy_show_diags(&diags);
        return EXIT_FAILED;
    }
    CLEANUP(rego_eval) struct rego_eval *eval = rego_eval_new(rego, NULL);
    CLEANUP(arena) struct arena input_arena = {0};
    const struct rego_hooks hooks = {.on_print = show_print};
    const struct rval *input = NULL, *result = NULL;
    struct rego_failure failure;
    struct error *err = NULL;
    if (input_path != NULL && policy_read_input(input_path, &input_arena, &input, &err) == -1)
        return command_fail(err);
    rego_eval_set_hooks(eval, &hooks);
    rego_eval_set_strict(eval, strict);
    if (rego_eval_run(eval, query, input, &result, &failure) == -1) {
        fprintf(stderr, "%s\n", failure.text);
        return EXIT_FAILED;
    }
    return print_result(query, result, pretty);
}

int policy_eval(const struct command *self, int argc, char **argv)
{
    struct policy_options options = {0};
    const char *input = NULL, *format = "json";
    bool strict = false;
    struct option_spec specs[POLICY_OPTION_COUNT + 3] = {
        [POLICY_OPTION_COUNT] = {"input", 'i', OPTION_TEXT, &input, "FILE",
                                 "the input as JSON (\"-\": standard input)"},
        {"format", 'f', OPTION_TEXT, &format, "FORMAT", "json or pretty"},
        {"strict", 0, OPTION_FLAG, &strict, NULL, "failures of built-ins end the evaluation"},
    };
    CLEANUP(word_list) struct word_list words = {0};

    policy_options_specs(&options, specs);
    int status = command_options(self, specs, ARRAY_SIZE(specs), argc, argv, &words);
    if (status == -1 && words.len != 1)
        status = command_usage(self, "one query is expected");
    if (status == -1 && strcmp(format, "json") != 0 && strcmp(format, "pretty") != 0)
        status = command_usage(self, "\"%s\" is no format (json, pretty)", format);
    if (status == -1) {
        CLEANUP(rego) struct rego *rego = policy_compile(&options, NULL, false);
        status = rego == NULL
                     ? EXIT_FAILED
                     : run_query(rego, words.ptr[0], input, strcmp(format, "pretty") == 0, strict);
    }
    word_list_reset(&options.paths);
    return status;
}

/* --- check, list ------------------------------------------------------------------------------ */

int policy_check(const struct command *self, int argc, char **argv)
{
    struct policy_options options = {0};
    struct option_spec specs[POLICY_OPTION_COUNT];
    CLEANUP(word_list) struct word_list words = {0};

    policy_options_specs(&options, specs);
    int status = command_options(self, specs, ARRAY_SIZE(specs), argc, argv, &words);
    if (status == -1) {
        CLEANUP(rego) struct rego *rego = policy_compile(&options, &words, false);
        status = rego != NULL ? EXIT_OK : EXIT_FAILED;
    }
    word_list_reset(&options.paths);
    return status;
}

static bool list_rule(void *arg, const char *path, const struct rule *rule)
{
    const char *kind = rule->is_default         ? "default"
                       : rule->is_function      ? "function"
                       : rule->kind == RULE_SET ? "set"
                                                : "value";
    printf("%-60s %-9s %s:%u\n", path, kind, rule->module->file, rule->loc.line);
    return true;
}

int policy_list(const struct command *self, int argc, char **argv)
{
    struct policy_options options = {0};
    const char *dir = NULL;
    bool in_home = false;
    struct option_spec specs[POLICY_OPTION_COUNT + 2] = {
        [POLICY_OPTION_COUNT] = {"home", 0, OPTION_FLAG, &in_home, NULL,
                                 "those in force in a home, users' rules included"},
        {"dir", 0, OPTION_TEXT, &dir, "DIR", "the folder given to gantry up; implies --home"},
    };
    CLEANUP(word_list) struct word_list words = {0};

    policy_options_specs(&options, specs);
    int status = command_options(self, specs, ARRAY_SIZE(specs), argc, argv, &words);
    in_home = in_home || dir != NULL;
    if (status == -1 && words.len > 0)
        status = command_usage(self, "\"%s\" is not expected", words.ptr[0]);
    if (status == -1 && in_home && options.paths.len > 0)
        status = command_usage(self, "rules are listed of a home or of --data, not of both");
    if (status == -1) {
        CLEANUP(rego)
        struct rego *rego =
            in_home ? policy_compile_home(dir) : policy_compile(&options, NULL, false);
        if (rego != NULL)
            rego_each_rule(rego, list_rule, NULL);
        status = rego != NULL ? EXIT_OK : EXIT_FAILED;
    }
    word_list_reset(&options.paths);
    return status;
}

int cmd_policy(const struct command *self, int argc, char **argv)
{
    bool wants_help = argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0;
    for (size_t i = 0; i < ARRAY_SIZE(subcommands) && !wants_help; i++)
        if (strcmp(argv[1], subcommands[i].name) == 0) {
            CLEANUP(buf) struct buf name = BUF_INIT(64);
            struct command sub = subcommands[i];
            buf_printf(&name, "policy %s", sub.name);
            sub.name = name.ptr;
            return sub.run(&sub, argc - 1, argv + 1);
        }
    if (!wants_help)
        return command_usage(self, "no command \"policy %s\"", argv[1]);
    printf("Usage: gantry policy COMMAND [OPTION...]\n\n");
    for (size_t i = 0; i < ARRAY_SIZE(subcommands); i++)
        printf("  %-8s %s\n           %s\n", subcommands[i].name, subcommands[i].synopsis,
               subcommands[i].summary);
    return argc < 2 ? EXIT_USAGE : EXIT_OK;
}
