/* Connections to one NBD export, used by many threads at once.
 *
 * Each connection has a thread of its own (disk/nbd_link.h); callers hand it requests and wait, so
 * that many are in flight on few connections.  A request that is not answered in time ends the
 * connection and all that waits for it; a connection that is lost is made anew if the export is
 * only read.
 *
 * May use: base, libnbd.  Threads: all but open and close may be called from any thread.
 */
#pragma once

#include "base/cleanup.h"
#include "disk/extent.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cancel;
struct error;
struct nbd_pool;

struct nbd_pool_options {
    unsigned connections; /* 0: up to four if the server allows several */
    int64_t timeout_ms;   /* for one answer; 0: 60 s */
    bool writable;
    struct cancel *cancel;
    size_t write_bytes;   /* of one request, a power of two; 0: 256 KiB, see doc/design/copy-engine.md */
};

/* Connects to URI (nbd://, nbds://, nbd+unix://, nbds+unix://). */
int nbd_pool_open(const char *uri, const struct nbd_pool_options *options, struct nbd_pool **out,
                  struct error **err);
void nbd_pool_close(struct nbd_pool *pool);

uint64_t nbd_pool_size(const struct nbd_pool *pool);

/* Microseconds that the first small read took; 0 for an export that is written. */
unsigned nbd_pool_latency(const struct nbd_pool *pool);

/* Errors name the offset and what the server answered. */
int nbd_pool_read(struct nbd_pool *pool, void *data, size_t len, uint64_t offset,
                  struct error **err);
int nbd_pool_write(struct nbd_pool *pool, const void *data, size_t len, uint64_t offset,
                   struct error **err);

/* Zeroes, without storing them if the server can do that fast; otherwise written. */
int nbd_pool_zero(struct nbd_pool *pool, uint64_t offset, uint64_t length, struct error **err);

/* Nothing, if the server has no such command: it must then write through. */
int nbd_pool_flush(struct nbd_pool *pool, struct error **err);

/* As blob_extents; all data if the server cannot tell. */
int nbd_pool_extents(struct nbd_pool *pool, uint64_t offset, uint64_t length,
                     struct extent_list *list, struct error **err);

DEFINE_CLEANUP(nbd_pool, struct nbd_pool *, nbd_pool_close)
