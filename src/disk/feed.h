/* The bytes of a stream: standard input, a blob from its start, an HTTP resource by one request.
 *
 * For src/disk only.  May use: base, net.  Threads: a struct feed belongs to one thread at a time.
 */
#pragma once

#include "base/cleanup.h"
#include "disk/disk.h"
#include "net/digest.h"

#include <stddef.h>
#include <sys/types.h>

struct error;
struct feed;

/* Opens SOURCE, "-" for standard input.  With DIGEST ("sha256", ...; or NULL) all that is read is
 * digested. */
int feed_open(const char *source, const struct disk_options *options, const char *digest,
              struct feed **out, struct error **err);
void feed_close(struct feed *feed);

/* For messages.  Borrowed. */
const char *feed_name(const struct feed *feed);

/* Reads at least one byte, at most LEN; 0 at the end.  ERROR_TIMEOUT if nothing comes in time. */
ssize_t feed_read(struct feed *feed, void *data, size_t len, struct error **err);

/* To be called when all that is wanted was read: an export must have come to its end, too. */
int feed_finish(struct feed *feed, struct error **err);

/* Reads what is left and writes the digest of everything to TEXT. */
int feed_finish_digest(struct feed *feed, char text[DIGEST_TEXT_SIZE], struct error **err);

DEFINE_CLEANUP(feed, struct feed *, feed_close)
