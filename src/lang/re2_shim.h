/* The little of RE2, which is C++, that gantry uses, for C.  Only lang/regex.c calls it.
 *
 * May use: nothing.  Threads: a program is frozen; RE2 guards the automaton it builds on the way.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

struct re2_program;

/* Where a group matched; start == RE2_UNSET if it took no part. */
struct re2_range {
    size_t start, end;
};
#define RE2_UNSET ((size_t)-1)

/* What is wrong with a pattern. */
struct re2_problem {
    const char *what; /* a literal, in the words of Go's regexp */
    char part[80];    /* the piece of the pattern that is meant, cut to fit, or empty */
};

/* Compiles a pattern; the program and the automaton built while matching take MEMORY_BYTES at most.
 * NULL with *PROBLEM filled. */
struct re2_program *re2_compile(const char *pattern, size_t len, size_t memory_bytes,
                                struct re2_problem *problem);
void re2_free(struct re2_program *program);

/* The number of capturing groups. */
size_t re2_groups(const struct re2_program *program);
/* The number of the group of that name, or 0. */
size_t re2_group_number(const struct re2_program *program, const char *name);
/* Instructions of the program: a search takes at most about so many steps for each byte of text. */
size_t re2_size(const struct re2_program *program);

/* The first match at or behind START.  RANGES gets COUNT entries, at most RE2_RANGES_MAX. */
bool re2_search(const struct re2_program *program, const char *text, size_t len, size_t start,
                struct re2_range *ranges, size_t count);
enum { RE2_RANGES_MAX = 101 };

#ifdef __cplusplus
}
#endif
