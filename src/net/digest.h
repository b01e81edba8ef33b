/* Digests of data that comes in pieces: SHA-1, SHA-256 and SHA-512.
 *
 * May use: base, OpenSSL.  Threads: a struct digest belongs to one thread at a time.
 */
#pragma once

#include "base/cleanup.h"

#include <stddef.h>

struct digest;
struct error;

enum { DIGEST_TEXT_SIZE = 129 }; /* hexadecimal digits of the longest, and a NUL */

/* NAME is "sha1", "sha256" or "sha512". */
int digest_new(const char *name, struct digest **out, struct error **err);
void digest_free(struct digest *digest);

void digest_add(struct digest *digest, const void *data, size_t len);

/* Ends the digest and writes it in lower-case hexadecimal; returns TEXT. */
char *digest_finish(struct digest *digest, char text[DIGEST_TEXT_SIZE]);

DEFINE_CLEANUP(digest, struct digest *, digest_free)
