#include "lang/regex.h"

#include "base/array.h"
#include "base/error.h"
#include "base/mem.h"
#include "lang/re2_shim.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { INSTRUCTION_SIZE = 16 }; /* of RE2 */

static_assert(REGEX_MAX_GROUPS + 1 <= RE2_RANGES_MAX, "the shim takes all groups");

struct regex {
    struct re2_program *program;
    size_t groups;
    size_t size; /* instructions */
};

static int fail_at(struct error **err, struct span pattern, const char *what, struct span part)
{
    const char *at = part.len > 0 ? memmem(pattern.ptr, pattern.len, part.ptr, part.len) : NULL;

    if (at == NULL)
        return error_set(err, ERROR_INVALID, "pattern \"%.*s\": %s", (int)pattern.len, pattern.ptr,
                         what);
    return error_set(err, ERROR_INVALID, "pattern \"%.*s\": %s: \"%.*s\" at character %zu",
                     (int)pattern.len, pattern.ptr, what, (int)part.len, part.ptr,
                     (size_t)(at - pattern.ptr) + 1);
}

/* Go 1.22 reads "(?<name>" like "(?P<name>", which is all that RE2 of 2022 knows; RE2 has "\C", a
 * single byte, and Go has not.  Copies PATTERN as RE2 wants it. */
static int translate(struct span pattern, struct buf *out, struct error **err)
{
    bool in_class = false;

    for (size_t i = 0; i < pattern.len; i++) {
        const char *at = pattern.ptr + i;
        size_t left = pattern.len - i;

        if (left >= 2 && at[0] == '\\') {
            if (at[1] == 'C')
                return fail_at(err, pattern, "invalid escape sequence", (struct span){at, 2});
            const char *end = at[1] == 'Q' ? memmem(at, left, "\\E", 2) : NULL;
            size_t len = at[1] != 'Q' ? 2 : end != NULL ? (size_t)(end - at) + 2 : left;
            buf_append(out, at, len);
            i += len - 1;
            continue;
        }
        buf_add_char(out, at[0]);
        if (in_class) {
            in_class = at[0] != ']';
        } else if (at[0] == '[') {
            in_class = true;
            if (left >= 2 && at[1] == '^')
                buf_add_char(out, pattern.ptr[++i]);
            if (i + 1 < pattern.len && pattern.ptr[i + 1] == ']')
                buf_add_char(out, pattern.ptr[++i]); /* a literal one at the start */
        } else if (left >= 4 && memcmp(at, "(?<", 3) == 0 && at[3] != '=' && at[3] != '!') {
            buf_add(out, "?P");
            i++;
        }
    }
    return 0;
}

int regex_compile(struct span pattern, struct regex **out, struct error **err)
{
    if (pattern.len > REGEX_MAX_PATTERN)
        return error_set(err, ERROR_INVALID, "a pattern has more than %d bytes", REGEX_MAX_PATTERN);
    if (!utf8_is_valid(pattern.ptr, pattern.len))
        return error_set(err, ERROR_INVALID, "a pattern is not valid UTF-8");

    CLEANUP(buf) struct buf text = BUF_INIT(2 * REGEX_MAX_PATTERN);
    struct re2_problem problem;

    if (translate(pattern, &text, err) == -1)
        return -1;
    struct re2_program *program = re2_compile(text.len > 0 ? text.ptr : "", text.len,
                                              REGEX_MAX_MEMORY, &problem);
    if (program == NULL)
        return fail_at(err, pattern, problem.what, span_of(problem.part));
    if (re2_groups(program) > REGEX_MAX_GROUPS) {
        re2_free(program);
        return error_set(err, ERROR_INVALID, "pattern \"%.*s\" has more than %d groups",
                         (int)pattern.len, pattern.ptr, REGEX_MAX_GROUPS);
    }

    struct regex *regex = xcalloc(1, sizeof(*regex));

    *regex = (struct regex){program, re2_groups(program), re2_size(program)};
    *out = regex;
    return 0;
}

void regex_free(struct regex *regex)
{
    if (regex == NULL)
        return;
    re2_free(regex->program);
    free(regex);
}

size_t regex_groups(const struct regex *regex)
{
    return regex->groups;
}

size_t regex_group_number(const struct regex *regex, const char *name)
{
    return re2_group_number(regex->program, name);
}

size_t regex_size(const struct regex *regex)
{
    return sizeof(*regex) + regex->size * INSTRUCTION_SIZE;
}

uint64_t regex_work(const struct regex *regex, size_t len)
{
    uint64_t work;

    return __builtin_mul_overflow((uint64_t)len, regex->size + 1, &work) ? UINT64_MAX : work;
}

int regex_search(const struct regex *regex, struct span text, size_t start, bool *found,
                 struct regex_range *ranges, size_t count, struct error **err)
{
    struct re2_range places[RE2_RANGES_MAX];

    assert(start <= text.len && count <= ARRAY_SIZE(places));
    if (regex_work(regex, text.len - start) > REGEX_MAX_WORK)
        return error_set(err, ERROR_INVALID,
                         "a pattern of %zu instructions takes too much work on %zu bytes of text",
                         regex->size, text.len - start);
    *found = re2_search(regex->program, text.ptr != NULL ? text.ptr : "", text.len, start, places,
                        count);
    for (size_t i = 0; *found && i < count; i++)
        ranges[i] = places[i].start == RE2_UNSET
                        ? (struct regex_range){REGEX_UNSET, REGEX_UNSET}
                        : (struct regex_range){places[i].start, places[i].end};
    return 0;
}
