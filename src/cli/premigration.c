/* gantry premigration: the hooks of a live migration's target, tried on files. */
#include "cli/commands.h"

#include "base/array.h"
#include "base/error.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/time.h"
#include "cli/command.h"
#include "cli/line_diff.h"
#include "data/dom.h"
#include "hook/premigration/chain.h"
#include "hook/premigration/check.h"
#include "hook/premigration/facts.h"
#include "hook/premigration/user_hooks.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DIFF_BYTES_MAX = 32 * 1024 * 1024, BENCH_ROUNDS = 1000 };

struct tool {
    const char *context;
    const char *hooks_dir; /* users' hooks, or NULL */
    bool explain;
    int64_t rounds;
};

static int read_text(const char *path, char **text, size_t *len, struct error **err)
{
    return file_read(path == NULL || strcmp(path, "-") == 0 ? "/dev/stdin" : path, DOM_MAX_BYTES,
                     text, len, err);
}

/* What a chain is run with. */
struct inputs {
    struct facts *facts;
    struct user_hooks *user_hooks;
};

static void inputs_reset(struct inputs *inputs)
{
    facts_free(inputs->facts);
    user_hooks_free(inputs->user_hooks);
}

static int read_inputs(const struct tool *tool, struct inputs *inputs, struct error **err)
{
    CLEANUP(str) char *text = NULL;
    size_t len = 0;

    if (file_read(tool->context, FACTS_MAX_BYTES, &text, &len, err) == -1 ||
        facts_parse(text, len, &inputs->facts, err) == -1)
        return error_wrap(err, "context \"%s\"", tool->context);
    if (tool->hooks_dir != NULL &&
        user_hooks_load(tool->hooks_dir, &inputs->user_hooks, err) == -1) {
        inputs_reset(inputs);
        return -1;
    }
    return 0;
}

/* What a hook did, on standard error: its output is the definition. */
static void explain(void *arg, const char *hook, bool applied, struct dom *before, struct dom *after)
{
    CLEANUP(buf) struct buf diff = BUF_INIT(DIFF_BYTES_MAX);
    const struct chain_why *why = chain_why(hook);

    if (!applied) {
        fprintf(stderr, "%s: does not apply: the context has no %s\n", hook,
                why == NULL ? "facts for it" : why->needs);
        return;
    }
    CLEANUP(str) char *was = dom_format(before);
    CLEANUP(str) char *is = dom_format(after);

    line_diff(was, is, "  ", &diff);
    fprintf(stderr, "%s: %s, since %s\n%s", hook, diff.len == 0 ? "changes nothing" : "changes",
            why == NULL ? "a user's hook says so" : why->because, buf_span(&diff).ptr);
}

static int apply(const struct tool *tool, const char *path, struct error **err)
{
    CLEANUP(str) char *xml = NULL;
    CLEANUP(str) char *edited = NULL;
    struct inputs inputs = {0};
    size_t len = 0;

    if (read_inputs(tool, &inputs, err) == -1)
        return -1;

    const struct chain chain = {.facts = inputs.facts,
                                .user_hooks = inputs.user_hooks,
                                .observer = tool->explain ? explain : NULL};
    int result = read_text(path, &xml, &len, err);

    if (result == 0)
        result = chain_run(&chain, xml, len, &edited, err);
    inputs_reset(&inputs);
    if (result == -1)
        return -1;
    fputs(edited, stdout);
    return 0;
}

static int parse_file(const char *path, struct dom **out, struct error **err)
{
    CLEANUP(str) char *xml = NULL;
    size_t len = 0;

    if (read_text(path, &xml, &len, err) == -1 || dom_parse(xml, len, out, err) == -1)
        return error_wrap(err, "\"%s\"", path);
    return 0;
}

static int check(const char *before_path, const char *after_path, struct error **err)
{
    struct dom *parsed = NULL;

    if (parse_file(before_path, &parsed, err) == -1)
        return -1;
    CLEANUP(dom) struct dom *before = parsed;
    parsed = NULL;
    if (parse_file(after_path, &parsed, err) == -1)
        return -1;
    CLEANUP(dom) struct dom *after = parsed;

    if (premigration_check(before, after, err) == -1) {
        error_wrap(err, "libvirt or QEMU would refuse this edit");
        return -1;
    }
    puts("this edit would be accepted");
    return 0;
}

static int compare_us(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return x < y ? -1 : x > y;
}

static int bench(const struct tool *tool, const char *path, struct error **err)
{
    CLEANUP(str) char *xml = NULL;
    struct inputs inputs = {0};
    size_t len = 0, rounds = (size_t)tool->rounds;

    if (read_inputs(tool, &inputs, err) == -1)
        return -1;

    const struct chain chain = {.facts = inputs.facts, .user_hooks = inputs.user_hooks};
    int64_t *us = xcalloc(rounds, sizeof(us[0]));
    int result = read_text(path, &xml, &len, err);

    for (size_t i = 0; i < rounds && result == 0; i++) {
        CLEANUP(str) char *edited = NULL;
        int64_t before = time_mono_us();

        result = chain_run(&chain, xml, len, &edited, err);
        us[i] = time_mono_us() - before;
    }
    if (result == 0) {
        qsort(us, rounds, sizeof(us[0]), compare_us);
        printf("%zu bytes, %zu rounds: p50 %" PRId64 " us, p95 %" PRId64 " us, most %" PRId64
               " us\n",
               len, rounds, us[rounds / 2], us[rounds * 95 / 100], us[rounds - 1]);
    }
    free(us);
    inputs_reset(&inputs);
    return result;
}

int cmd_premigration(const struct command *self, int argc, char **argv)
{
    struct tool tool = {.rounds = BENCH_ROUNDS};
    const struct option_spec specs[] = {
        {"context", 0, OPTION_TEXT, &tool.context, "FILE", "the target's facts, as JSON"},
        {"hooks-dir", 0, OPTION_TEXT, &tool.hooks_dir, "DIR", "users' hooks to run as well"},
        {"explain", 0, OPTION_FLAG, &tool.explain, NULL,
         "tell on standard error what each hook changes"},
        {"rounds", 0, OPTION_INT, &tool.rounds, "N", "of bench (default 1000)"},
    };
    CLEANUP(word_list) struct word_list words = {0};
    struct error *err = NULL;
    int status = command_options(self, specs, ARRAY_SIZE(specs), argc, argv, &words);

    if (status != -1)
        return status;

    const char *verb = words.len == 0 ? "" : words.ptr[0];
    const char *first = words.len > 1 ? words.ptr[1] : NULL;
    bool needs_context = strcmp(verb, "apply") == 0 || strcmp(verb, "bench") == 0;

    if (!needs_context && strcmp(verb, "check") != 0)
        return command_usage(self, "apply, check or bench is expected");
    if (needs_context && (tool.context == NULL || words.len > 2))
        return command_usage(self, "%s takes --context and at most one file", verb);
    if (!needs_context && words.len != 3)
        return command_usage(self, "check takes two files, before and after");
    if (tool.rounds < 1 || tool.rounds > 1000000)
        return command_usage(self, "--rounds is from 1 to 1000000");

    if (strcmp(verb, "apply") == 0)
        status = apply(&tool, first, &err);
    else if (strcmp(verb, "bench") == 0)
        status = bench(&tool, first, &err);
    else
        status = check(first, words.ptr[2], &err);
    return status == -1 ? command_fail(err) : EXIT_OK;
}
