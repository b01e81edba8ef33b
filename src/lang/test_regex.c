#include "lang/regex.h"

#include "base/array.h"
#include "base/mem.h"
#include "base/test.h"
#include "base/time.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static bool matches(const char *pattern, const char *text)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(regex) struct regex *regex = NULL;
    bool found = false;

    CHECK_OK(regex_compile(span_of(pattern), &regex, &err), err);
    CHECK_OK(regex_search(regex, span_of(text), 0, &found, NULL, 0, &err), err);
    return found;
}

TEST(matches_as_re2_does)
{
    static const struct {
        const char *pattern, *text;
        bool found;
    } cases[] = {
        {"^(\\+|-)?[0-9]+$", "-12", true},
        {"^a$", "a\n", false},
        {"^\\d+$", "\xd9\xa1", false},
        {"^.$", "\xc3\xa9", true},
        {"b+", "abbb", true},
        {"^([^{}\\\\]|\\\\.)*$", "a{", false},
        {"(?i)ABC", "xabc", true},
        {"[]a]", "]", true},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        if (matches(cases[i].pattern, cases[i].text) != cases[i].found)
            test_fail(__FILE__, __LINE__, "%s on %s", cases[i].pattern, cases[i].text);
}

TEST(gives_the_ranges_of_groups)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(regex) struct regex *regex = NULL;
    struct regex_range ranges[3];
    bool found = false;

    CHECK_OK(regex_compile(SPAN("(?P<year>\\d+)(-x)?"), &regex, &err), err);
    CHECK_U64(regex_groups(regex), 2);
    CHECK_U64(regex_group_number(regex, "year"), 1);
    CHECK_OK(regex_search(regex, SPAN("in 2026"), 0, &found, ranges, 3, &err), err);
    CHECK(found);
    CHECK_U64(ranges[1].start, 3);
    CHECK_U64(ranges[1].end, 7);
    CHECK(ranges[2].start == REGEX_UNSET);
}

TEST(gives_the_name_of_a_group_in_both_notations)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(regex) struct regex *regex = NULL;

    CHECK_OK(regex_compile(SPAN("[(?<x>]\\Q(?<y>\\E(?<a>.)(?P<b>.)"), &regex, &err), err);
    CHECK_U64(regex_groups(regex), 2);
    CHECK_U64(regex_group_number(regex, "a"), 1);
    CHECK_U64(regex_group_number(regex, "b"), 2);
    CHECK_U64(regex_group_number(regex, "c"), 0);
}

TEST(refuses_what_go_does_not_know_and_says_where)
{
    static const struct {
        const char *pattern, *why;
    } cases[] = {
        {"x(?=a)", "invalid or unsupported Perl syntax: \"(?=\" at character 2"},
        {"(a)\\1", "invalid escape sequence: \"\\1\" at character 4"},
        {"(?<!b)a", "invalid or unsupported Perl syntax: \"(?<\" at character 1"},
        {"(?>a)", "invalid or unsupported Perl syntax"},
        {"a(*ACCEPT)", "missing argument to repetition operator: \"*\" at character 3"},
        {"\\K", "invalid escape sequence"},
        {"a\\C", "invalid escape sequence: \"\\C\" at character 2"},
        {"(a", "missing closing )"},
        {"a)", "unexpected )"},
        {"[bad", "missing closing ]: \"[bad\" at character 1"},
        {"[z-a]", "invalid character class range: \"z-a\" at character 2"},
        {"a{2,1}", "invalid repeat count: \"{2,1}\" at character 2"},
        {"a{1001}", "invalid repeat count"},
        {"a**", "invalid nested repetition operator: \"**\" at character 2"},
        {"(?R)", "invalid or unsupported Perl syntax"},
        {"(?P<n", "invalid named capture"},
        {"a\\", "trailing backslash"},
        {"\xff", "not valid UTF-8"},
        {"((a{100}){100}){100}", "invalid repeat count"},
        {"(((\\pL{30}){30}\\pL){1}|(\\pL{1000}){1}|\\pN{1000}|\\w{1000})", "expression too large"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(error) struct error *err = NULL;
        struct regex *regex = NULL;

        CHECK_FAILS(regex_compile(span_of(cases[i].pattern), &regex, &err), err, ERROR_INVALID,
                    cases[i].why);
    }
}

/* Each of these takes exponential or cubic time where an engine goes back and tries again. */
TEST(hostile_patterns_take_time_linear_in_the_text)
{
    static const char *const patterns[] = {
        "(a+)+$",     "^(a|aa|a?a)+(x|y)$", "(a*)*b",    "(.*a){20}$",
        "(a|b|ab)*c", "^(([a-z])+.)+[A-Z]([a-z])+$", "(x+x+)+y", "a*a*a*a*a*a*a*a*a*b",
    };
    enum { LEN = 1000 * 1000 };
    CLEANUP(str) char *text = xmalloc(LEN);

    memset(text, 'a', LEN);
    text[LEN - 1] = '!';
    int64_t started_ms = time_mono_us() / 1000;
    for (size_t i = 0; i < ARRAY_SIZE(patterns); i++) {
        CLEANUP(error) struct error *err = NULL;
        CLEANUP(regex) struct regex *regex = NULL;
        bool found = true;

        CHECK_OK(regex_compile(span_of(patterns[i]), &regex, &err), err);
        CHECK_OK(regex_search(regex, (struct span){text, LEN}, 0, &found, NULL, 0, &err), err);
        CHECK(!found);
    }
    /* Milliseconds, in truth.  Going back would take years, so no slow machine fails this. */
    CHECK(time_mono_us() / 1000 - started_ms < 60 * 1000);
}

TEST(refuses_a_search_that_is_too_much_work)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(regex) struct regex *regex = NULL;
    enum { LEN = 8 * 1000 * 1000 };
    CLEANUP(str) char *text = xcalloc(1, LEN);
    bool found = false;

    CHECK_OK(regex_compile(SPAN("[ab]{1000}c"), &regex, &err), err);
    CHECK_FAILS(regex_search(regex, (struct span){text, LEN}, 0, &found, NULL, 0, &err), err,
                ERROR_INVALID, "too much work on 8000000 bytes");
    CHECK_OK(regex_search(regex, (struct span){text, LEN / 100}, 0, &found, NULL, 0, &err), err);
}

static void *search_often(void *arg)
{
    const struct regex *regex = arg;
    size_t hits = 0;

    for (int i = 0; i < 2000; i++) {
        CLEANUP(error) struct error *err = NULL;
        char text[64];
        bool found = false;

        snprintf(text, sizeof(text), "vm-%d-%s", i, i % 2 == 0 ? "prod" : "test");
        CHECK_OK(regex_search(regex, span_of(text), 0, &found, NULL, 0, &err), err);
        hits += found;
    }
    CHECK_U64(hits, 1000);
    return NULL;
}

TEST(one_expression_serves_many_threads)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(regex) struct regex *regex = NULL;
    pthread_t threads[4];

    CHECK_OK(regex_compile(SPAN("^vm-[0-9]+-(prod|stage)$"), &regex, &err), err);
    for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
        CHECK(pthread_create(&threads[i], NULL, search_often, regex) == 0);
    for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
        pthread_join(threads[i], NULL);
}
