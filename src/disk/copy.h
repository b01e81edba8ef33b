/* The copy engine: a disk (or a stream) to a target, reading, unpacking and writing at the same
 * time, zeroes left out.
 *
 * One thread plans: it walks the source's areas, or reads the stream, and puts pieces of work into
 * a short queue.  Workers take them, read, unpack and write.  Memory is the number of workers times
 * the request size, whatever the disk's size.
 *
 *     copy_start -> copy_wait, copy_get_progress ... -> copy_finish
 *
 * May use: base.  Threads: a struct copy belongs to the thread that started it, but
 * copy_get_progress and copy_cancel may be called from any.
 */
#pragma once

#include "base/cleanup.h"
#include "base/time.h"
#include "disk/extent.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cancel;
struct copy;
struct disk;
struct error;
struct blockmap;
struct stream;
struct target;

enum {
    COPY_MAX_WORKERS = 256,
    COPY_MIN_REQUEST = 4096,
    COPY_MAX_REQUEST = 32 << 20,
    COPY_DEFAULT_REQUEST = 1 << 20,
};

/* Borrowed until copy_finish.  Zero is the sensible default of what is not marked as needed. */
struct copy_options {
    struct disk *disk;     /* needed: this or the next */
    struct stream *stream;
    struct target *target; /* needed */
    unsigned workers;      /* 0: by processors and by whether servers are involved */
    size_t request_bytes;  /* a power of two; 0: COPY_DEFAULT_REQUEST */
    uint64_t bandwidth;    /* most bytes of the disk read in a second; 0: no limit */
    const struct extent_list *areas; /* only these, in order, not overlapping; NULL: all */
    /* What is durable is recorded here, block by block; NULL: nowhere.  A stream must keep to its
     * blocks (stream_keep_blocks), and they are the requests' size. */
    struct blockmap *map;
    struct disk *check;    /* the destination for reading: blocks that the map has are compared with
                            * it and kept if they fit; NULL: all is copied */
    struct cancel *cancel; /* NULL: only copy_cancel stops */
};

struct copy_progress {
    uint64_t done_bytes;  /* of the disk, zeroes included */
    uint64_t total_bytes; /* 0: not known */
    uint64_t rate;        /* bytes in a second, over the last seconds */
    int64_t left_s;       /* -1: not known */
};

/* Which side failed, for exit statuses. */
enum copy_side { COPY_SIDE_NONE, COPY_SIDE_SOURCE, COPY_SIDE_TARGET, COPY_SIDE_MAP };

struct copy_result {
    uint64_t size_bytes;     /* of the disk */
    uint64_t read_bytes;     /* read from the source, unpacked */
    uint64_t written_bytes;  /* stored in the target */
    uint64_t shared_bytes;   /* neither: both share their storage */
    uint64_t kept_bytes;     /* found in the target as the map says */
    uint64_t repaired_bytes; /* in the map, but found otherwise in the target */
    int64_t elapsed_ms;
    enum copy_side side;     /* of the failure */
};

int copy_start(const struct copy_options *options, struct copy **out, struct error **err);

/* True when the work has ended, well or not; false when the deadline is over. */
bool copy_wait(struct copy *copy, struct deadline deadline);

void copy_get_progress(struct copy *copy, struct copy_progress *progress);

/* Asks to stop; copy_finish then fails with ERROR_CANCELED. */
void copy_cancel(struct copy *copy);

/* Waits for the end, makes the target durable, fills *RESULT (also on failure) and frees. */
int copy_finish(struct copy *copy, struct copy_result *result, struct error **err);
