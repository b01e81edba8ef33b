/* What the programs share that run cases of a language: options, files and folders, the list of what
 * is skipped, and the count by category.
 *
 * May use: base.  Threads: main only.
 */
#pragma once

#include "base/text.h"

#include <stdbool.h>
#include <stddef.h>

struct error;
struct cases;

/* An option without a value that only one of the programs has. */
struct cases_flag {
    const char *name; /* "strict" */
    bool *set;
};
enum { CASES_FLAGS_MAX = 4 };

struct cases_tool {
    const char *name;  /* "tsl-cases" */
    const char *usage; /* what --help prints */
    struct cases_flag flags[CASES_FLAGS_MAX];
    /* Runs the cases in TEXT, the file PATH; fails if it is no file of cases. */
    int (*run_file)(struct cases *cases, const char *path, struct span text, struct error **err);
};

/* Runs TOOL on the files and folders of the command line.  Returns the exit status: 0 if no case
 * failed, 1 if one did or a file cannot be read, 2 for wrong options. */
int cases_main(const struct cases_tool *tool, int argc, char **argv);

/* True, and counted, if the list of skipped cases has the CATEGORY or the case NAME. */
bool cases_skips(struct cases *cases, const char *category, const char *name);
/* Counts a case; WHY, unless NULL, says what is wrong with it and is printed. */
void cases_count(struct cases *cases, const char *category, const char *path, const char *name,
                 const char *why);
