/* What a language says about a text: where, which code, which words.
 *
 * May use: base.  Threads: one owner.
 */
#pragma once

#include "base/cleanup.h"
#include "base/text.h"

#include <stddef.h>
#include <stdint.h>

struct error;

struct lang_pos {
    const char *file; /* borrowed; NULL when there is none */
    uint32_t line;    /* from 1; 0 is "nowhere" */
    uint32_t col;     /* from 1, in bytes */
};

struct lang_diag {
    const char *code;    /* a literal such as "rego_parse_error" */
    struct lang_pos pos; /* file points to `file` */
    char *file;          /* owned, or NULL */
    char *msg;           /* owned */
    char *line;          /* owned text of the line, or NULL */
};

/* At most LANG_DIAG_MAX are kept, further ones are counted only. */
enum { LANG_DIAG_MAX = 20 };

struct lang_diags {
    struct lang_diag list[LANG_DIAG_MAX];
    size_t count;
    size_t dropped;
};

/* Adds one.  TEXT, unless empty, is the whole source from which the line for the caret is cut. */
void lang_diag_add(struct lang_diags *diags, const char *code, struct lang_pos pos,
                   struct span text, const char *format, ...) __attribute__((format(printf, 5, 6)));

void lang_diags_reset(struct lang_diags *diags);

/* "FILE:LINE:COL: CODE: MESSAGE", the line, and a caret under the column. */
void lang_diag_print(const struct lang_diag *diag, struct buf *out);

/* Fails with ERROR_INVALID and the first one's text on one line; how many more is in the hint.
 * Returns -1. */
int lang_diags_raise(const struct lang_diags *diags, struct error **err);

DEFINE_CLEANUP_IN_PLACE(lang_diags, struct lang_diags, lang_diags_reset)
