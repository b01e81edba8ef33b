/* What differs between two texts, line by line.  May use: base.  Threads: pure. */
#pragma once

struct buf;

/* Appends the lines that only BEFORE has behind "- " and those that only AFTER has behind "+ ", in
 * order, each behind INDENT. */
void line_diff(const char *before, const char *after, const char *indent, struct buf *out);
