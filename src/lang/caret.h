/* Errors in a text of one of our languages: line, column, and the line with a caret under it.
 *
 * May use: base.  Threads: pure functions.
 */
#pragma once

#include "base/error.h"
#include "base/text.h"

/* Fails with CODE at byte OFFSET of TEXT: "WHAT, line 2, column 5: ..."; the hint shows the line
 * and a caret.  Returns -1. */
int caret_set(struct error **err, enum error_code code, const char *what, struct span text,
              size_t offset, const char *format, ...) __attribute__((format(printf, 6, 7)));

/* Line and column of byte OFFSET of TEXT, both from 1; columns count bytes. */
void caret_find(struct span text, size_t offset, size_t *line, size_t *column);
