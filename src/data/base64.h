/* Base64 (RFC 4648, section 4).
 *
 * May use: base.  Threads: pure functions, safe anywhere.
 */
#pragma once

#include <stddef.h>

struct error;

/* The text for LEN bytes, padded, on one line.  Owned by the caller. */
char *base64_encode(const void *data, size_t len);

/* Reads LEN characters; white space is passed over, padding may be left out.  *DATA has a NUL
 * behind it and belongs to the caller.  Any input is safe to pass; the error names the position. */
int base64_decode(const char *text, size_t len, char **data, size_t *data_len, struct error **err);
