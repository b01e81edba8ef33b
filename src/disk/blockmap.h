/* The block map of a copy: for each block of the disk its xxh3-128 and whether it is zeroes, written
 * once the block is durable in the target.
 *
 * A file with a header of 4096 bytes and 32 bytes for each block at a place that follows from the
 * block's number, so that it needs no memory and is sparse where the disk is.  Each record has a
 * check of its own: what a crash left half written counts as absent.  In a complete map an absent
 * block is zeroes; in an incomplete one nothing is known of it.  doc/design/block-map.md.
 *
 * May use: base, xxhash.  Threads: blockmap_has, blockmap_fits and blockmap_record may be called from several
 * threads at once, on different blocks; the rest belongs to one.
 */
#pragma once

#include "base/cleanup.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;
struct blockmap;

enum { BLOCKMAP_HASH_SIZE = 16, BLOCKMAP_SOURCE_SIZE = 512 };

/* What the map belongs to.  A map of another source, or of the same source that has changed, proves
 * nothing. */
struct blockmap_source {
    char name[BLOCKMAP_SOURCE_SIZE]; /* as the user wrote it, without credentials; cut if longer */
    uint64_t stored_bytes;      /* of the file, 0 if not known */
    int64_t changed_ns;         /* its last change, 0 if not known */
};

struct blockmap_block {
    uint64_t offset;
    uint32_t length;
    bool is_zero;
    unsigned char hash[BLOCKMAP_HASH_SIZE];
};

/* Makes a new map at PATH, replacing what is there. */
int blockmap_create(const char *path, uint64_t size_bytes, uint32_t block_bytes,
               const struct blockmap_source *source, struct blockmap **out, struct error **err);

/* Opens the map at PATH.  ERROR_CORRUPT: it is none; ERROR_NOT_FOUND: there is none. */
int blockmap_open(const char *path, struct blockmap **out, struct error **err);

void blockmap_close(struct blockmap *map);

uint64_t blockmap_size(const struct blockmap *map);
uint32_t blockmap_block_bytes(const struct blockmap *map);
bool blockmap_is_complete(const struct blockmap *map);
const struct blockmap_source *blockmap_get_source(const struct blockmap *map);

/* Fails with ERROR_INVALID, saying why, unless the map is of this disk. */
int blockmap_check_source(const struct blockmap *map, uint64_t size_bytes, const struct blockmap_source *source,
                     struct error **err);

/* True if the map knows the block at OFFSET, a multiple of the block size. */
bool blockmap_has(const struct blockmap *map, uint64_t offset);

/* The first block from OFFSET on that the map may know, or the disk's size: what is passed over is
 * certainly not known. */
uint64_t blockmap_find_next(const struct blockmap *map, uint64_t offset);

/* True if the map knows the block and DATA is what it held. */
bool blockmap_fits(const struct blockmap *map, uint64_t offset, const void *data, size_t len);

void blockmap_hash(const void *data, size_t len, unsigned char hash[BLOCKMAP_HASH_SIZE]);

/* Records a block that is durable. */
int blockmap_record(struct blockmap *map, const struct blockmap_block *block, struct error **err);

/* Says that blocks are changing again (a delta is coming), durably. */
int blockmap_reopen(struct blockmap *map, struct error **err);

/* Says that all blocks are there, durably. */
int blockmap_complete(struct blockmap *map, struct error **err);

/* Calls FN for each known block in order until it returns false. */
int blockmap_walk(const struct blockmap *map, bool (*fn)(void *arg, const struct blockmap_block *block), void *arg,
             struct error **err);

enum { BLOCKMAP_ROOT_SIZE = 33 };

/* The hash over offsets, lengths and hashes of all blocks that are not zeroes, in hex: equal for
 * equal disks and block sizes.  Returns TEXT, or NULL and an error. */
char *blockmap_root(const struct blockmap *map, char text[BLOCKMAP_ROOT_SIZE], struct error **err);

DEFINE_CLEANUP(blockmap, struct blockmap *, blockmap_close)
