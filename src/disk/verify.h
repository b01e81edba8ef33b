/* Proof that a copy is what it should be: against its block map, or against its source.
 *
 * May use: base.  Threads: makes its own; a call belongs to one.
 */
#pragma once

#include "disk/disk.h"

struct blockmap;
struct cancel;

struct verify_result {
    uint64_t checked_bytes;
    uint64_t wrong_blocks;
    uint64_t first_wrong; /* its offset, if there is a wrong one */
};

/* Compares DISK (the destination opened for reading) with a complete map: blocks must have their
 * hashes, and all else must be zeroes.  Differences are no error: see the result. */
int verify_map(const struct blockmap *map, struct disk *disk, struct cancel *cancel,
               struct verify_result *result, struct error **err);

/* Compares DISK with SOURCE, which must not be larger; what DISK has behind SOURCE's end must be
 * zeroes. */
int verify_source(struct disk *source, struct disk *disk, struct cancel *cancel,
                  struct verify_result *result, struct error **err);
