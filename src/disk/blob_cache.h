/* A blob whose small reads are served from a few larger ones: an image's header and tables over a
 * connection on which each request costs a round trip.
 *
 * For src/disk only.  May use: base.  Threads: as disk/blob.h; who needs a block that somebody is
 * reading waits for it.
 */
#pragma once

#include "disk/blob.h"

enum {
    BLOB_CACHE_BLOCK = 128 * 1024, /* bytes read at once and kept */
    BLOB_CACHE_BLOCKS = 32,
    BLOB_CACHE_SMALL = 64 * 1024,  /* reads of this size and above pass: blocks of changes have it */
};

/* Takes INNER; extents and large reads pass through. */
struct blob *blob_cache_new(struct blob *inner);
