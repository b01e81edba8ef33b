/* Lists of areas as other programs write them: lines of "OFFSET LENGTH", or a JSON array of objects
 * with "offset" (or "start") and "length", all in bytes.
 *
 * May use: base, data.  Threads: pure functions, safe anywhere.
 */
#pragma once

#include "disk/extent.h"

#include <stddef.h>

struct error;

enum { EXTENT_FILE_MAX_BYTES = 64 << 20 };

/* Appends the areas in the LEN bytes at TEXT to *LIST, as EXTENT_DATA, in the order in which they
 * come.  Empty areas and those that end beyond 2^63 bytes are ERROR_INVALID, with the line's or the
 * area's number; *LIST may then hold those before it.  Any input is safe to pass. */
int extent_list_parse(const char *text, size_t len, struct extent_list *list, struct error **err);
