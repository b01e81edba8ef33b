/* Images read front to back: standard input, compressed raw images, a streamOptimized VMDK while it
 * arrives, what an HTTP server sends only as a whole.
 *
 * May use: base, net, disk/blob.h.  Threads: a struct stream belongs to one thread at a time;
 * stream_unpack needs none.
 */
#pragma once

#include "base/cleanup.h"
#include "disk/disk.h"
#include "net/digest.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;
struct stream;
struct stream_unpacker;

/* A piece of the disk.  What is not covered by any piece reads as zeroes. */
struct stream_piece {
    uint64_t offset; /* bytes in the disk */
    size_t length;   /* bytes of the disk */
    size_t position; /* of what is stored, in the buffer given to stream_next */
    size_t stored;   /* bytes of it */
    size_t unpacked; /* bytes it gives: more than LENGTH in the last grain of some disks */
    bool is_packed;  /* stored deflated */
};

/* Opens SOURCE ("-" is standard input) as a stream: gzip, zstd and xz are unpacked, then the content
 * is a streamOptimized VMDK or raw.  With DIGEST ("sha256", ...; or NULL) the stored bytes are digested
 * as they come. */
int stream_open(const char *source, const struct disk_options *options, const char *digest,
                struct stream **out, struct error **err);
void stream_close(struct stream *stream);

/* True if SOURCE has to be read so: standard input, a compressed file by its content, a resource of a
 * server that does not send parts, or because the options say so. */
int stream_is_needed(const char *source, const struct disk_options *options, bool *needed,
                     struct error **err);

const char *stream_format(const struct stream *stream);

/* True if the stream says at its start how large the disk is. */
bool stream_has_size(const struct stream *stream);

/* Bytes of the disk: what the start said, or, at the end, what came. */
uint64_t stream_size(const struct stream *stream);

/* Makes the pieces of each call of stream_next lie in one block of BLOCK_BYTES, as block maps need
 * it.  ERROR_UNSUPPORTED if the stream does not say how large the disk is, or has too small grains. */
int stream_keep_blocks(struct stream *stream, uint64_t block_bytes, struct error **err);

enum { STREAM_MAX_PIECES = 32 }; /* that stream_next gives at once, if there is room for them */

enum { STREAM_BUFFER_SIZE = 2 * DISK_MAX_GRAIN + 4096 };

/* Reads on into BUFFER (STREAM_BUFFER_SIZE bytes).  1: *PIECES is filled with
 * *COUNT of at most MAX; 0: the end, and all checks were passed; -1: an error. */
int stream_next(struct stream *stream, void *buffer, struct stream_piece *pieces, size_t max,
                size_t *count, struct error **err);

/* At the end: reads what follows the disk and writes the digest of all that came to TEXT. */
int stream_finish_digest(struct stream *stream, char text[DIGEST_TEXT_SIZE], struct error **err);

/* Unpacks one piece of BUFFER into TO, which has room for its LENGTH. */
struct stream_unpacker *stream_unpacker_new(void);
void stream_unpacker_free(struct stream_unpacker *unpacker);
int stream_unpack(struct stream_unpacker *unpacker, const void *buffer,
                  const struct stream_piece *piece, void *to, struct error **err);

DEFINE_CLEANUP(stream, struct stream *, stream_close)
