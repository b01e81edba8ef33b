/* Options of a command: one table gives parsing, help and completion.
 *
 * Long options take "--name VALUE" or "--name=VALUE", letters "-n VALUE"; "--" ends them; words that
 * are no options may stand anywhere.  May use: base.  Threads: main only.
 */
#pragma once

#include "base/cleanup.h"
#include "base/vector.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;

enum option_type {
    OPTION_FLAG, /* bool */
    OPTION_TEXT, /* const char *: borrowed from argv */
    OPTION_INT,  /* int64_t */
    OPTION_LIST, /* struct word_list: may be repeated */
};

DEFINE_VECTOR(word_list, const char *)
DEFINE_CLEANUP_IN_PLACE(word_list, struct word_list, word_list_reset)

struct option_spec {
    const char *name; /* without dashes */
    char letter;      /* or 0 */
    enum option_type type;
    void *value;     /* where it goes; left alone if the option is not given */
    const char *arg; /* what help calls the value, NULL for flags */
    const char *help;
};

/* Reads argv[1] on.  WORDS gets what is no option (borrowed from argv).  An unknown option, a missing
 * or superfluous value is ERROR_INVALID with the nearest known name as a hint. */
int options_parse(const struct option_spec *specs, size_t count, int argc, char **argv,
                  struct word_list *words, struct error **err);

/* Writes a line for each option to standard output. */
void options_print_help(const struct option_spec *specs, size_t count);

/* Of COUNT names, STRIDE bytes apart, the one nearest to NAME by edit distance, or NULL if none is
 * near.  Borrowed. */
const char *options_nearest(const char *name, const void *names, size_t stride, size_t count);
