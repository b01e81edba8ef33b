#include "lang/regex.h"

#include "base/error.h"
#include "base/mem.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <stdlib.h>
#include <string.h>

enum {
    MATCH_LIMIT = 1000000, /* PCRE2's internal match() calls for one search */
    DEPTH_LIMIT = 10000,   /* of its backtracking */
    HEAP_LIMIT_KIB = 16 * 1024,
};

struct regex {
    pcre2_code *code;
    pcre2_match_context *limits;
    uint32_t groups;
};

/* Finds what PCRE2 has beyond RE2: look-around, atomic groups, conditions, recursion, back
 * references and possessive quantifiers' verbs.  Returns the position, or -1. */
static long find_beyond_re2(struct span pattern)
{
    bool in_class = false;

    for (size_t i = 0; i < pattern.len; i++) {
        char c = pattern.ptr[i];
        char next = i + 1 < pattern.len ? pattern.ptr[i + 1] : '\0';

        if (c == '\\') {
            if (!in_class && (strchr("gkKGRXNHhVCcZ", next) != NULL && next != '\0'))
                return (long)i;
            if (!in_class && next >= '1' && next <= '9')
                return (long)i;
            i++;
        } else if (in_class) {
            in_class = c != ']';
        } else if (c == '[') {
            in_class = true;
            if (next == '^')
                i++;
            if (i + 1 < pattern.len && pattern.ptr[i + 1] == ']')
                i++; /* a literal ] at the start */
        } else if (c == '(' && next == '*') {
            return (long)i;
        } else if (c == '(' && next == '?') {
            const char *rest = pattern.ptr + i + 2;
            size_t left = pattern.len - i - 2;

            if (left >= 2 && rest[0] == 'P' && rest[1] == '<')
                continue;
            if (left >= 2 && rest[0] == '<' && rest[1] != '=' && rest[1] != '!')
                continue;
            if (left >= 1 && strchr(":imsU-", rest[0]) != NULL && rest[0] != '\0')
                continue;
            return (long)i;
        }
    }
    return -1;
}

int regex_compile(struct span pattern, struct regex **out, struct error **err)
{
    if (pattern.len > REGEX_MAX_PATTERN)
        return error_set(err, ERROR_INVALID, "a pattern has more than %d bytes", REGEX_MAX_PATTERN);
    if (!utf8_is_valid(pattern.ptr, pattern.len))
        return error_set(err, ERROR_INVALID, "a pattern is not valid UTF-8");
    long beyond = find_beyond_re2(pattern);
    if (beyond >= 0)
        return error_set(err, ERROR_INVALID,
                         "pattern \"%.*s\": unsupported syntax at character %ld", (int)pattern.len,
                         pattern.ptr, beyond + 1);

    int code = 0;
    PCRE2_SIZE where = 0;
    pcre2_code *compiled = pcre2_compile((PCRE2_SPTR)pattern.ptr, pattern.len,
                                         PCRE2_UTF | PCRE2_DOLLAR_ENDONLY | PCRE2_NEVER_BACKSLASH_C,
                                         &code, &where, NULL);
    if (compiled == NULL) {
        PCRE2_UCHAR text[128];

        pcre2_get_error_message(code, text, sizeof(text));
        return error_set(err, ERROR_INVALID, "pattern \"%.*s\": %s at character %zu",
                         (int)pattern.len, pattern.ptr, (const char *)text, where + 1);
    }

    struct regex *regex = xcalloc(1, sizeof(*regex));

    regex->code = compiled;
    pcre2_pattern_info(compiled, PCRE2_INFO_CAPTURECOUNT, &regex->groups);
    regex->limits = pcre2_match_context_create(NULL);
    if (regex->limits == NULL || regex->groups > REGEX_MAX_GROUPS) {
        regex_free(regex);
        return error_set(err, ERROR_INVALID, "pattern \"%.*s\" has more than %d groups",
                         (int)pattern.len, pattern.ptr, REGEX_MAX_GROUPS);
    }
    pcre2_set_match_limit(regex->limits, MATCH_LIMIT);
    pcre2_set_depth_limit(regex->limits, DEPTH_LIMIT);
    pcre2_set_heap_limit(regex->limits, HEAP_LIMIT_KIB);
    *out = regex;
    return 0;
}

void regex_free(struct regex *regex)
{
    if (regex == NULL)
        return;
    pcre2_match_context_free(regex->limits);
    pcre2_code_free(regex->code);
    free(regex);
}

size_t regex_groups(const struct regex *regex)
{
    return regex->groups;
}

size_t regex_group_number(const struct regex *regex, const char *name)
{
    int number = pcre2_substring_number_from_name(regex->code, (PCRE2_SPTR)name);

    return number > 0 ? (size_t)number : 0;
}

size_t regex_size(const struct regex *regex)
{
    size_t size = 0;

    pcre2_pattern_info(regex->code, PCRE2_INFO_SIZE, &size);
    return sizeof(*regex) + size;
}

int regex_search(const struct regex *regex, struct span text, size_t start, bool *found,
                 struct regex_range *ranges, size_t count, struct error **err)
{
    pcre2_match_data *match = pcre2_match_data_create_from_pattern(regex->code, NULL);

    if (match == NULL)
        return error_set(err, ERROR_BUG, "no memory to match a pattern");

    int result = pcre2_match(regex->code, (PCRE2_SPTR)(text.ptr != NULL ? text.ptr : ""), text.len,
                             start, PCRE2_NO_UTF_CHECK, match, regex->limits);
    if (result < 0 && result != PCRE2_ERROR_NOMATCH) {
        pcre2_match_data_free(match);
        return error_set(err, ERROR_INVALID, "a pattern takes too much work on %zu bytes of text",
                         text.len);
    }

    const PCRE2_SIZE *pairs = pcre2_get_ovector_pointer(match);

    *found = result > 0;
    for (size_t i = 0; *found && i < count; i++) {
        bool set = i < (size_t)result && pairs[2 * i] != PCRE2_UNSET;

        ranges[i] = set ? (struct regex_range){pairs[2 * i], pairs[2 * i + 1]}
                        : (struct regex_range){REGEX_UNSET, REGEX_UNSET};
    }
    pcre2_match_data_free(match);
    return 0;
}
