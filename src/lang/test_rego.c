#include "lang/rego/rego.h"

#include "base/array.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/test.h"
#include "base/thread.h"
#include "lang/rego/json.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct rego *compile(const struct rego_source *sources, size_t count)
{
    CLEANUP(lang_diags) struct lang_diags diags = {0};
    struct rego *rego = rego_compile(sources, count, NULL, &diags);

    if (rego == NULL)
        test_fail(__FILE__, __LINE__, "%s: %s", diags.list[0].code, diags.list[0].msg);
    return rego;
}

/* The value of data.PACKAGE with INPUT (NULL: none), as JSON, or the text of the failure. */
static char *evaluate(struct rego *rego, const char *package, const char *input_text,
                      const struct rego_limits *limits)
{
    CLEANUP(rego_query) struct rego_query *query = rego_query_path(rego, &package, 1);
    CLEANUP(rego_eval) struct rego_eval *eval = rego_eval_new(rego, limits);
    CLEANUP(error) struct error *err = NULL;
    const struct rval *input = NULL, *result = NULL;
    struct rego_failure failure;
    struct buf out = BUF_INIT(64 * 1024 * 1024);

    if (input_text != NULL)
        CHECK_OK(rjson_read(rego_eval_arena(eval), span_of(input_text), &input, &err), err);
    if (rego_eval_run(eval, query, input, &result, &failure) == -1)
        return xstrdup(failure.text);
    if (result == NULL)
        return xstrdup("undefined");
    rjson_write(&out, result, RJSON_COMPACT);
    return buf_take(&out);
}

static char *evaluate_text(const char *text, const char *input, const struct rego_limits *limits)
{
    const struct rego_source source = {"t.rego", span_of(text), REGO_AUTO};
    CLEANUP(rego) struct rego *rego = compile(&source, 1);

    return evaluate(rego, "t", input, limits);
}

/* --- many files ------------------------------------------------------------------------------- */

enum { FILES = 400 };

/* FILES files of package t: file I adds the element and the pair of NUMBER and I. */
static struct rego *compile_files(int number)
{
    struct rego_source sources[FILES];
    char *texts[FILES], *names[FILES];

    for (int i = 0; i < FILES; i++) {
        /* every other one in the old version of the language */
        texts[i] = i % 2 == 0
                       ? xasprintf("package t\nparts[x] { x := [%d, %d] }\nby[\"k%d\"] = %d { true }\n"
                                   "count_of = n { n := count(parts) }\n",
                                   number, i, i, number)
                       : xasprintf("package t\nimport rego.v1\nparts contains [%d, %d] if input.on\n"
                                   "by.k%d := %d\n",
                                   number, i, i, number);
        names[i] = xasprintf("%d.rego", i);
        sources[i] = (struct rego_source){names[i], span_of(texts[i]), REGO_AUTO};
    }
    struct rego *rego = compile(sources, FILES);
    for (int i = 0; i < FILES; i++) {
        free(texts[i]);
        free(names[i]);
    }
    return rego;
}

TEST(rules_of_hundreds_of_files_and_both_versions_make_one_document)
{
    CLEANUP(rego) struct rego *rego = compile_files(7);
    CLEANUP(str) char *all = evaluate(rego, "t", "{\"on\": true}", NULL);
    CLEANUP(str) char *half = evaluate(rego, "t", "{}", NULL);

    CHECK(strstr(all, "\"count_of\":400") != NULL);
    CHECK(strstr(all, "\"k399\":7") != NULL);
    CHECK(strstr(all, "[7,0],[7,1],[7,2]") != NULL);
    CHECK(strstr(half, "\"count_of\":200") != NULL);
}

/* --- swaps under load ------------------------------------------------------------------------- */

enum { READERS = 8, SWAPS = 1000, SWAP_FILES = 12 };

struct load {
    pthread_mutex_t lock;
    struct rego *set; /* guarded by lock */
    _Atomic bool stop;
    _Atomic long evaluations, torn, sets_seen;
};

static struct rego *swap_set(int number)
{
    struct rego_source sources[SWAP_FILES];
    char *texts[SWAP_FILES];

    for (int i = 0; i < SWAP_FILES; i++) {
        texts[i] = xasprintf("package t\nimport rego.v1\nparts contains [%d, input.n + %d] if %d >= 0\n",
                             number, i, i);
        sources[i] = (struct rego_source){"swap.rego", span_of(texts[i]), REGO_V1};
    }
    struct rego *rego = compile(sources, SWAP_FILES);
    for (int i = 0; i < SWAP_FILES; i++)
        free(texts[i]);
    return rego;
}

/* All parts that RESULT has are of one set, and none is missing. */
static bool is_whole(const struct rval *result, int64_t *number)
{
    const struct rval *parts = result != NULL ? rval_get_str(result, "parts") : NULL;

    if (parts == NULL || parts->len != SWAP_FILES)
        return false;
    *number = parts->items[0]->items[0]->integer;
    for (uint32_t i = 0; i < parts->len; i++)
        if (parts->items[i]->items[0]->integer != *number ||
            parts->items[i]->items[1]->integer != 40 + (int64_t)i)
            return false;
    return true;
}

static void *read_sets(void *arg)
{
    struct load *load = arg;
    struct rego_eval *eval = NULL;
    const char *package = "t";
    int64_t last = -1, number = -1;

    while (!load->stop) {
        pthread_mutex_lock(&load->lock);
        CLEANUP(rego) struct rego *set = rego_ref(load->set);
        pthread_mutex_unlock(&load->lock);
        CLEANUP(rego_query) struct rego_query *query = rego_query_path(set, &package, 1);
        CLEANUP(error) struct error *err = NULL;
        const struct rval *input = NULL, *result = NULL;
        struct rego_failure failure;

        if (eval == NULL)
            eval = rego_eval_new(set, NULL);
        rego_eval_use(eval, set);
        for (int i = 0; i < 10; i++) {
            rego_eval_clear(eval);
            bool ok = rjson_read(rego_eval_arena(eval), SPAN("{\"n\": 40}"), &input, &err) == 0 &&
                      rego_eval_run(eval, query, input, &result, &failure) == 0;
            load->torn += !ok || !is_whole(result, &number) || number < last;
            load->evaluations++;
        }
        load->sets_seen += number != last;
        last = number;
    }
    rego_eval_free(eval);
    return NULL;
}

TEST(no_evaluation_sees_half_a_set_while_sets_are_swapped)
{
    CLEANUP(error) struct error *err = NULL;
    struct load load = {.lock = PTHREAD_MUTEX_INITIALIZER, .set = swap_set(0)};
    struct thread threads[READERS] = {0};

    for (int i = 0; i < READERS; i++)
        CHECK_OK(thread_start(&threads[i], "reader", read_sets, &load, &err), err);
    for (int n = 1; n <= SWAPS; n++) {
        struct rego *next = swap_set(n), *old;

        pthread_mutex_lock(&load.lock);
        old = load.set;
        load.set = next;
        pthread_mutex_unlock(&load.lock);
        rego_free(old);
    }
    load.stop = true;
    for (int i = 0; i < READERS; i++)
        thread_join(&threads[i]);
    rego_free(load.set);
    CHECK_INT(load.torn, 0);
    CHECK(load.evaluations > SWAPS);
    CHECK(load.sets_seen > 10);
}

/* --- the index -------------------------------------------------------------------------------- */

/* data.t of TEXT, by the index and by trying every rule, must be the same; the former, owned. */
static char *evaluate_both(const char *text, const char *input)
{
    const struct rego_source source = {"t.rego", span_of(text), REGO_AUTO};
    const struct rego_options options = {.no_index = true};
    CLEANUP(lang_diags) struct lang_diags diags = {0};
    CLEANUP(rego) struct rego *indexed = compile(&source, 1);
    CLEANUP(rego) struct rego *plain = rego_compile(&source, 1, &options, &diags);
    CLEANUP(str) char *want = evaluate(plain, "t", input, NULL);
    char *got = evaluate(indexed, "t", input, NULL);

    CHECK_STR(got, want);
    return got;
}

/* Rules that compare input.kind with constants of several types, some twice, and others between. */
static void add_many_rules(struct buf *text)
{
    buf_add(text, "package t\nimport rego.v1\n");
    for (int i = 0; i < 40; i++)
        buf_printf(text,
                   "found contains %d if { input.kind == \"k%d\"; input.n > %d }\n"
                   "found contains %d if { %d == input.kind }\n"
                   "found contains \"other %d\" if input.o.%c\n"
                   "one := %d if { input.kind == \"k%d\" } else := -1 if { input.kind == \"z\" }\n"
                   "two := %d if input.kind == \"k%d\"\n"
                   "pairs[\"k%d\"] := input.kind if { input.kind == [%d] }\n"
                   "f(x) := %d if { x > 0; input.kind == \"k%d\" }\n",
                   i, i % 20, i, 100 + i, i / 2, i, 'a' + i % 26, i, i, i, i, i, i, i, i);
    buf_add(text, "called := f(1)\n"
                  "replaced := [a, b] if {\n"
                  "\ta := found with input.kind as \"k3\" with input.n as 90\n"
                  "\tb := two with input as {\"kind\": \"k7\"}\n}\n");
}

TEST(the_index_finds_what_trying_every_rule_finds)
{
    static const struct {
        const char *input, *want;
    } cases[] = {
        {"{\"kind\": \"k3\", \"n\": 10, \"o\": {\"b\": true}}",
         "\"called\":3,\"found\":[3,\"other 1\",\"other 27\"],\"one\":3"},
        {"{\"kind\": 3.0, \"n\": 100}", "\"found\":[106,107]"},
        {"{\"kind\": [12]}", "\"pairs\":{\"k12\":[12]}"},
        {"{\"kind\": \"z\"}", "\"one\":-1"},
        {"{\"kind\": \"none\", \"o\": {\"z\": 1}}", "\"found\":[\"other 25\"]"},
        {"{\"kind\": null}", "\"replaced\":[[3,23],7]"},
        {"{}", "\"found\":[]"},
        {"[]", "\"found\":[]"},
        {NULL, "\"found\":[]"},
    };
    CLEANUP(buf) struct buf text = BUF_INIT(1 << 20);

    add_many_rules(&text);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(str) char *got = evaluate_both(text.ptr, cases[i].input);
        if (strstr(got, cases[i].want) == NULL)
            test_fail(__FILE__, __LINE__, "%s\ngives %.600s\nwithout %s", cases[i].input, got,
                      cases[i].want);
    }
}

/* --- budgets ---------------------------------------------------------------------------------- */

#define HEAD "package t\nimport rego.v1\n"

TEST(a_policy_that_explodes_stops_and_its_rule_is_named)
{
    static const struct {
        const char *text, *want;
    } cases[] = {
        {HEAD "slow if { n := numbers.range(1, 3000); a := n[_]; b := n[_]; c := n[_]; a + b + c < 0 }",
         "t.rego:3: eval_budget_error: rule slow: the evaluation has used up its steps"},
        {HEAD "big := [[x, y] | n := numbers.range(1, 5000); x := n[_]; y := n[_]]",
         "rule big: the evaluation has used up its "},
        {HEAD "text := concat(\"\", [t | some _ in numbers.range(1, 9000); t := s" "printf(\"%099999d\", [1])])",
         "rule text: the evaluation has used up its memory"},
        {HEAD "scan if { xs := numbers.range(1, 90000); some x in xs; y := 0 - x; y in xs }",
         "rule scan: the evaluation has used up its steps"},
        {HEAD "find if { t := concat(\"\", [x | some _ in numbers.range(1, 60000); x := \"x\"])\n"
              " count(regex.find_n(`(x+x+)+y|x`, t, -1)) < 0 }",
         "rule find: the evaluation has used up its steps"},
        {HEAD "prefix if { a := [s" "printf(\"%d\", [x]) | some x in numbers.range(1, 9000)]\n"
              " b := [concat(\"\", [\"x\", t]) | some t in a]\n"
              " count([r | some _ in a; r := strings.any_prefix_match(a, b)]) < 0 }",
         "rule prefix: the evaluation has used up its steps"},
        {HEAD "l0 := [\"ha\", \"ha\"]\nl1 := [l0, l0, l0, l0, l0, l0, l0, l0]\n"
              "l2 := [l1, l1, l1, l1, l1, l1, l1, l1]\nl3 := [l2, l2, l2, l2, l2, l2, l2, l2]\n"
              "l4 := [l3, l3, l3, l3, l3, l3, l3, l3]\nl5 := [l4, l4, l4, l4, l4, l4, l4, l4]\n"
              "l6 := [l5, l5, l5, l5, l5, l5, l5, l5]\nl7 := [l6, l6, l6, l6, l6, l6, l6, l6]\n"
              "l8 := [l7, l7, l7, l7, l7, l7, l7, l7]",
         "the evaluation has used up its size of a value"},
        {HEAD "walks := count([p | some _ in numbers.range(1, 100000); walk(input, [p, _])])",
         "rule walks: the evaluation has used up its "},
    };
    /* Few steps, so that the test is quick. */
    const struct rego_limits limits = {.steps = 2000000, .memory_bytes = 64 << 20};

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(str)
        char *got = evaluate_text(cases[i].text, "{\"a\": [1, 2, {\"b\": [3, 4, 5]}]}", &limits);
        if (strstr(got, cases[i].want) == NULL)
            test_fail(__FILE__, __LINE__, "%s\ngives %.200s", cases[i].text, got);
    }
}

TEST(nesting_stops_at_its_limit)
{
    CLEANUP(buf) struct buf body = BUF_INIT(1 << 20);
    CLEANUP(buf) struct buf chain = BUF_INIT(1 << 20);
    CLEANUP(lang_diags) struct lang_diags diags = {0};

    buf_add(&body, HEAD "deep if {\n x0 := 1\n");
    for (int i = 1; i < 1000; i++)
        buf_printf(&body, " x%d := [x%d]\n", i, i - 1);
    buf_add(&body, " x999 == 1\n}\n");
    CLEANUP(str) char *got = evaluate_text(body.ptr, NULL, NULL);
    CHECK(strstr(got, "rule deep: the evaluation has used up its levels of nesting") != NULL);

    buf_add(&chain, HEAD "r9999 := 1\n");
    for (int i = 9998; i > 4000; i--)
        buf_printf(&chain, "r%d := [r%d | true][0]\n", i, i + 1);
    const struct rego_source source = {"t.rego", buf_span(&chain), REGO_V1};
    CHECK(rego_compile(&source, 1, NULL, &diags) == NULL);
    CHECK_STR(diags.list[0].msg, "rules depend on each other more than 2500 deep");
}

TEST(hostile_sources_are_refused_at_once)
{
    CLEANUP(buf) struct buf rules = BUF_INIT(8 << 20);
    CLEANUP(str) char *huge = xmalloc(REGO_SOURCE_MAX + 2);

    memset(huge, ' ', REGO_SOURCE_MAX + 1);
    huge[REGO_SOURCE_MAX + 1] = '\0';
    buf_add(&rules, "package t\n");
    for (int i = 0; i <= REGO_RULES_MAX; i++)
        buf_printf(&rules, "r%d := 1\n", i);
    const struct {
        struct span text;
        const char *want;
    } cases[] = {
        {{huge, REGO_SOURCE_MAX + 1}, "the policies have more than 67108864 bytes"},
        {buf_span(&rules), "the policies have more than 50000 rules"},
        {SPAN("package t\nx := \"\xff\""), "UTF-8"},
        {SPAN("package t\nx := [a|[a|[a|[a|[a|[a|[a|[a|[a|[a|[a|[a|[a|[a|[a|[a|[a|[a|[a|[a|[a|"),
         "too many readings"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(lang_diags) struct lang_diags diags = {0};
        const struct rego_source source = {"t.rego", cases[i].text, REGO_V1};

        CLEANUP(rego) struct rego *rego = rego_compile(&source, 1, NULL, &diags);
        if (rego != NULL || strstr(diags.list[0].msg, cases[i].want) == NULL)
            test_fail(__FILE__, __LINE__, "%zu gives %s", i,
                      rego != NULL ? "a set" : diags.list[0].msg);
    }
}

TEST(hostile_inputs_are_refused)
{
    CLEANUP(str) char *huge = xmalloc(100 * 1000 * 1000);
    CLEANUP(buf) struct buf deep = BUF_INIT(1 << 20);

    memset(huge, ' ', 100 * 1000 * 1000);
    for (int i = 0; i < 100000; i++)
        buf_add_char(&deep, '[');
    const struct {
        struct span text;
        const char *want;
    } cases[] = {
        {{huge, 100 * 1000 * 1000}, "a JSON text of 100000000 bytes: the limit is 67108864"},
        {buf_span(&deep), "deep"},
        {SPAN("\"\xc3(\""), "UTF-8"},
        {SPAN("{\"a\": 1e}"), "line 1, column"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(error) struct error *err = NULL;
        CLEANUP(arena) struct arena arena = {0};
        const struct rval *value = NULL;

        CHECK_FAILS(rjson_read(&arena, cases[i].text, &value, &err), err, ERROR_INVALID,
                    cases[i].want);
    }
}

TEST(huge_numbers_keep_their_digits_or_are_undefined)
{
    CLEANUP(str)
    char *got = evaluate_text(HEAD "same := input.n\nsum := input.n + 1\nless if input.n < input.m\n"
                                   "far := input.e * input.e\n",
                              "{\"n\": 123456789012345678901234567890, \"m\": 1e300, \"e\": 1e4000}",
                              NULL);
    CHECK_STR(got, "{\"less\":true,\"same\":123456789012345678901234567890,"
                   "\"sum\":123456789012345678900000000000}");
}

/* --- errors ----------------------------------------------------------------------------------- */

TEST(errors_have_code_line_column_and_caret)
{
    static const struct {
        const char *text, *want;
    } cases[] = {
        {"package t\nimport rego.v1\np if {\n\tx > 1\n}\n",
         "t.rego:4:2: rego_unsafe_var_error: var x is unsafe\n    \tx > 1\n    \t^\n"},
        {"package t\np := q\nq := p\n", "t.rego:2:1: rego_recursion_error: rule data.t.p is recursive: "
                                        "data.t.p -> data.t.q -> data.t.p\n    p := q\n    ^\n"},
        {"package t\np := )\n", "t.rego:2:6: rego_parse_error: unexpected ) token\n    p := )\n         ^\n"},
        {"package t\np := nope(1)\n", "t.rego:2:6: rego_type_error: undefined function nope\n"},
        {"package t\nf(x) := 1\nf(x, y) := 2\n", "t.rego:3:1: rego_type_error: conflicting rules"},
        {"package t\ndefault p := 1\ndefault p := 2\n", "t.rego:3:1: rego_type_error: multiple default"},
        {"package t\nimport data.a as x\nimport data.b as x\n", "rego_compile_error: import must not"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(lang_diags) struct lang_diags diags = {0};
        CLEANUP(buf) struct buf out = BUF_INIT(4096);
        const struct rego_source source = {"t.rego", span_of(cases[i].text), REGO_V1};

        CHECK(rego_compile(&source, 1, NULL, &diags) == NULL);
        lang_diag_print(&diags.list[0], &out);
        if (!str_starts_with(out.ptr, cases[i].want) && strstr(out.ptr, cases[i].want) == NULL)
            test_fail(__FILE__, __LINE__, "%s\ngives\n%s", cases[i].text, out.ptr);
    }
}
