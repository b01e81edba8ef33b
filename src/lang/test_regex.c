#include "lang/regex.h"

#include "base/test.h"

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

TEST(refuses_what_re2_does_not_know)
{
    static const char *const patterns[] = {"(?=a)", "(a)\\1", "(?<!b)a", "(?>a)", "(*ACCEPT)",
                                           "\\K",   "(",      "a{2,1}",  "(?R)"};

    for (size_t i = 0; i < ARRAY_SIZE(patterns); i++) {
        CLEANUP(error) struct error *err = NULL;
        struct regex *regex = NULL;

        CHECK_FAILS(regex_compile(span_of(patterns[i]), &regex, &err), err, ERROR_INVALID,
                    "pattern");
    }
}

TEST(gives_up_on_a_pattern_that_explodes)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(regex) struct regex *regex = NULL;
    char text[60];
    bool found = false;

    memset(text, 'a', sizeof(text));
    text[sizeof(text) - 1] = 'b';
    CHECK_OK(regex_compile(SPAN("^(a|aa|a?a)+(x|y)$"), &regex, &err), err);
    CHECK_FAILS(regex_search(regex, (struct span){text, sizeof(text)}, 0, &found, NULL, 0, &err),
                err, ERROR_INVALID, "too much work");
}
