/* Regular expressions of the kind that Go's regexp and RE2 accept, within limits: the door to
 * PCRE2.
 *
 * $ matches at the very end only, classes such as \d are ASCII, text is UTF-8.  What RE2 cannot do
 * (back references, look-around) is refused.  Matching gives up after a fixed amount of work, so
 * that a hostile pattern costs time, but not without end.
 *
 * May use: base, data.  Threads: a compiled expression is frozen.
 */
#pragma once

#include "base/cleanup.h"
#include "base/text.h"

#include <stdbool.h>
#include <stddef.h>

struct error;
struct regex;

enum {
    REGEX_MAX_PATTERN = 16 * 1024, /* bytes of a pattern */
    REGEX_MAX_GROUPS = 100,
};

/* Compiles PATTERN; the error gives the position of what is wrong. */
int regex_compile(struct span pattern, struct regex **out, struct error **err);
void regex_free(struct regex *regex);

/* The number of capturing groups, without the whole match. */
size_t regex_groups(const struct regex *regex);
/* The number of the group of that name, or 0. */
size_t regex_group_number(const struct regex *regex, const char *name);
/* Bytes that it holds. */
size_t regex_size(const struct regex *regex);

/* Where a group matched; start == REGEX_UNSET if it took no part. */
struct regex_range {
    size_t start, end;
};
#define REGEX_UNSET ((size_t)-1)

/* Looks for the first match at or behind START.  RANGES gets COUNT entries, the whole match first;
 * it may be NULL with a COUNT of 0.  TEXT must be valid UTF-8. */
int regex_search(const struct regex *regex, struct span text, size_t start, bool *found,
                 struct regex_range *ranges, size_t count, struct error **err);

DEFINE_CLEANUP(regex, struct regex *, regex_free)
