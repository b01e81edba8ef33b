/* Regular expressions of the kind that Go's regexp accepts, searched in time linear in the text:
 * by RE2, through lang/re2_shim.h.  doc/design/regular-expressions.md says why.
 *
 * $ matches at the very end only, classes such as \d are ASCII, text is UTF-8.  Back references and
 * look-around do not exist.
 *
 * May use: base.  Threads: a compiled expression is frozen and may be searched with by any number
 * of threads.
 */
#pragma once

#include "base/cleanup.h"
#include "base/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;
struct regex;

enum {
    REGEX_MAX_PATTERN = 16 * 1024, /* bytes of a pattern */
    REGEX_MAX_GROUPS = 100,
    REGEX_MAX_MEMORY = 1024 * 1024, /* bytes of one compiled expression and its automaton */
};

/* Most work of one search, in bytes of text times instructions of the expression: a few seconds
 * for the worst of patterns, and far less for all others. */
#define REGEX_MAX_WORK (UINT64_C(1) << 30)

/* Compiles PATTERN.  ERROR_INVALID says what is wrong in Go's words ("missing closing ]: \"[a\"")
 * and at which character, if that can be told. */
int regex_compile(struct span pattern, struct regex **out, struct error **err);
void regex_free(struct regex *regex);

/* The number of capturing groups, without the whole match. */
size_t regex_groups(const struct regex *regex);
/* The number of the group of that name, or 0. */
size_t regex_group_number(const struct regex *regex, const char *name);
/* About how many bytes it holds, before its first search. */
size_t regex_size(const struct regex *regex);
/* The most work that a search over LEN bytes may be. */
uint64_t regex_work(const struct regex *regex, size_t len);

/* Where a group matched; start == REGEX_UNSET if it took no part. */
struct regex_range {
    size_t start, end;
};
#define REGEX_UNSET ((size_t)-1)

/* Looks for the first match at or behind START.  RANGES gets COUNT entries, the whole match first,
 * at most REGEX_MAX_GROUPS + 1; it may be NULL with a COUNT of 0.  TEXT is UTF-8; what is not is
 * matched by nothing.  ERROR_INVALID for more than REGEX_MAX_WORK. */
int regex_search(const struct regex *regex, struct span text, size_t start, bool *found,
                 struct regex_range *ranges, size_t count, struct error **err);

DEFINE_CLEANUP(regex, struct regex *, regex_free)
