#include "disk/nbd_pool.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/time.h"
#include "disk/nbd_link.h"

#include <errno.h>
#include <inttypes.h>
#include <libnbd.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum {
    DEFAULT_TIMEOUT_MS = 60000,
    DEFAULT_CONNECTIONS = 4,
    MAX_CONNECTIONS = 16,
    PROBE_BYTES = 4096,
    MAX_LATENCY_US = 10 * 1000 * 1000,
    MAX_TRANSFER = 32 << 20,   /* bytes of one request */
    MAX_BLOCK = 64 << 10,      /* smallest request that a server may insist on, by the protocol */
    MAX_ZERO = 1 << 30,        /* bytes cleared by one request */
    DEFAULT_WRITE = 256 << 10, /* bytes written by one request, */
    WRITE_PARTS = 8,           /* and how many of one caller's are in flight */
};

struct nbd_pool {
    struct nbd_export nbd_export;
    unsigned connections; /* wanted; 0: DEFAULT_CONNECTIONS */
    bool has_extents;
    bool has_zero;
    bool has_flush;
    size_t max_transfer; /* whole blocks, as the next */
    size_t max_write;
    size_t block;        /* the server takes multiples of it only; a power of two */
    unsigned latency_us;
    struct nbd_link *links[MAX_CONNECTIONS];
    size_t link_count;
    _Atomic size_t turn;
};

/* Runs REQUEST on some link and waits for it.  Returns 0 or an errno. */
static int run_request(struct nbd_pool *pool, struct nbd_request *request)
{
    return nbd_link_run(pool->links[pool->turn++ % pool->link_count], request, 1);
}

static int fail_request(const struct nbd_pool *pool, const struct nbd_request *request, int number,
                        const char *what, struct error **err)
{
    const char *uri = pool->nbd_export.uri;

    if (request->why != NULL) {
        error_set(err, ERROR_CORRUPT, "%s", request->why);
        return error_wrap(err, "cannot %s \"%s\" at byte %" PRIu64, what, uri, request->offset);
    }
    error_sys(err, number, "cannot %s \"%s\" at byte %" PRIu64, what, uri, request->offset);
    if (number == ETIMEDOUT)
        return error_hint(err, "no answer within %" PRId64 " s: see --timeout",
                          pool->nbd_export.timeout_ms / 1000);
    return -1;
}

/* Whole blocks. */
static int read_blocks(struct nbd_pool *pool, void *data, size_t len, uint64_t offset,
                       struct error **err)
{
    for (char *to = data; len > 0;) {
        size_t part = len < pool->max_transfer ? len : pool->max_transfer;
        struct nbd_request request = {
            .kind = NBD_REQUEST_READ, .data = to, .len = part, .offset = offset};
        int number = run_request(pool, &request);

        if (number != 0)
            return fail_request(pool, &request, number, "read", err);
        to += part;
        offset += part;
        len -= part;
    }
    return 0;
}

int nbd_pool_read(struct nbd_pool *pool, void *data, size_t len, uint64_t offset,
                  struct error **err)
{
    uint64_t mask = pool->block - 1;
    uint64_t start = offset & ~mask;
    uint64_t end = (offset + len + mask) & ~mask;

    if (start == offset && end == offset + len)
        return read_blocks(pool, data, len, offset, err);
    CLEANUP(str) char *blocks = xmalloc((size_t)(end - start));
    if (read_blocks(pool, blocks, (size_t)(end - start), start, err) == -1)
        return -1;
    memcpy(data, blocks + (offset - start), len);
    return 0;
}

/* Makes the requests of the first LEN bytes at DATA, as many as there may be; returns their number. */
static size_t part_write(const struct nbd_pool *pool, char *data, size_t len, uint64_t offset,
                         struct nbd_request requests[WRITE_PARTS])
{
    size_t count = 0;

    for (size_t at = 0; at < len && count < WRITE_PARTS; count++) {
        size_t part = len - at < pool->max_write ? len - at : pool->max_write;

        requests[count] = (struct nbd_request){
            .kind = NBD_REQUEST_WRITE, .data = data + at, .len = part, .offset = offset + at};
        at += part;
    }
    return count;
}

/* In parts, several at once.  A server that writes through the page cache gets smaller pieces of memory
 * for them, which a machine has at hand; see doc/design/copy-engine.md. */
static int write_blocks(struct nbd_pool *pool, const void *data, size_t len, uint64_t offset,
                        struct error **err)
{
    struct nbd_request requests[WRITE_PARTS];
    char *from = (char *)(uintptr_t)data; /* libnbd only reads it */

    while (len > 0) {
        size_t count = part_write(pool, from, len, offset, requests);
        struct nbd_link *link = pool->links[pool->turn++ % pool->link_count];

        if (nbd_link_run(link, requests, count) != 0)
            for (size_t i = 0; i < count; i++)
                if (requests[i].error != 0)
                    return fail_request(pool, &requests[i], requests[i].error, "write", err);
        for (size_t i = 0; i < count; i++) {
            from += requests[i].len;
            offset += requests[i].len;
            len -= requests[i].len;
        }
    }
    return 0;
}

/* The end of a disk may lie inside a block, whose rest stays.  Other requests begin and end at
 * blocks, unless the user names areas that do not; two of them in one block would need a lock. */
int nbd_pool_write(struct nbd_pool *pool, const void *data, size_t len, uint64_t offset,
                   struct error **err)
{
    size_t rest = len & (pool->block - 1);
    char last[MAX_BLOCK];

    if ((offset & (pool->block - 1)) != 0)
        return error_set(err, ERROR_UNSUPPORTED,
                         "cannot write \"%s\" at byte %" PRIu64
                         ": the server takes only blocks of %zu bytes",
                         pool->nbd_export.uri, offset, pool->block);
    if (len > rest && write_blocks(pool, data, len - rest, offset, err) == -1)
        return -1;
    if (rest == 0)
        return 0;
    offset += len - rest;
    if (read_blocks(pool, last, pool->block, offset, err) == -1)
        return -1;
    memcpy(last, (const char *)data + len - rest, rest);
    return write_blocks(pool, last, pool->block, offset, err);
}

static int write_zeroes(struct nbd_pool *pool, uint64_t offset, uint64_t length,
                        struct error **err)
{
    static const char zeroes[1 << 20];

    while (length > 0) {
        size_t part = length < sizeof(zeroes) ? (size_t)length : sizeof(zeroes);

        if (nbd_pool_write(pool, zeroes, part, offset, err) == -1)
            return -1;
        offset += part;
        length -= part;
    }
    return 0;
}

int nbd_pool_zero(struct nbd_pool *pool, uint64_t offset, uint64_t length, struct error **err)
{
    uint64_t mask = pool->block - 1;

    if (!pool->has_zero || (offset & mask) != 0)
        return write_zeroes(pool, offset, length, err);
    if ((length & mask) != 0 && write_zeroes(pool, offset + (length & ~mask), length & mask, err) == -1)
        return -1;
    length &= ~mask;
    while (length > 0) {
        uint64_t part = length < MAX_ZERO ? length : MAX_ZERO;
        struct nbd_request request = {.kind = NBD_REQUEST_ZERO, .offset = offset, .length = part};
        int number = run_request(pool, &request);

        if (number != 0)
            return fail_request(pool, &request, number, "clear", err);
        offset += part;
        length -= part;
    }
    return 0;
}

int nbd_pool_flush(struct nbd_pool *pool, struct error **err)
{
    struct nbd_request request = {.kind = NBD_REQUEST_FLUSH};
    int number = pool->has_flush ? run_request(pool, &request) : 0;

    return number == 0 ? 0 : fail_request(pool, &request, number, "flush", err);
}

int nbd_pool_extents(struct nbd_pool *pool, uint64_t offset, uint64_t length,
                     struct extent_list *list, struct error **err)
{
    CLEANUP(extent_list) struct extent_list found = {0};

    if (!pool->has_extents) {
        extent_list_add(list, offset, length, EXTENT_DATA);
        return 0;
    }
    struct nbd_request request = {.kind = NBD_REQUEST_EXTENTS,
                              .offset = offset,
                              .length = length < MAX_ZERO ? length : MAX_ZERO,
                              .list = &found};
    int number = run_request(pool, &request);
    if (number != 0)
        return fail_request(pool, &request, number, "ask for the areas of", err);
    if (found.len == 0 || found.ptr[0].offset != offset)
        return error_set(err, ERROR_CORRUPT, "\"%s\" tells no areas at byte %" PRIu64, pool->nbd_export.uri,
                         offset);
    for (size_t i = 0; i < found.len; i++)
        extent_list_add(list, found.ptr[i].offset, found.ptr[i].length, found.ptr[i].kind);
    return 0;
}

/* Learns the export's properties from the first connection; returns how many to have. */
static int learn(struct nbd_pool *pool, struct nbd_handle *nbd, unsigned *connections,
                 struct error **err)
{
    int64_t size = nbd_get_size(nbd);
    int64_t transfer = nbd_get_block_size(nbd, LIBNBD_SIZE_MAXIMUM);
    int64_t block = nbd_get_block_size(nbd, LIBNBD_SIZE_MINIMUM);

    if (size == -1)
        return nbd_fail(err, "cannot ask for the size of", &pool->nbd_export);
    if (pool->nbd_export.writable && nbd_is_read_only(nbd) == 1)
        return error_set(err, ERROR_DENIED, "\"%s\" is read-only", pool->nbd_export.uri);
    pool->nbd_export.size_bytes = (uint64_t)size;
    pool->has_extents = nbd_can_meta_context(nbd, LIBNBD_CONTEXT_BASE_ALLOCATION) == 1;
    pool->has_zero = nbd_can_zero(nbd) == 1;
    pool->has_flush = nbd_can_flush(nbd) == 1;
    if (block > MAX_BLOCK || (block & (block - 1)) != 0)
        return error_set(err, ERROR_UNSUPPORTED, "\"%s\" takes only blocks of %" PRId64 " bytes",
                         pool->nbd_export.uri, block);
    pool->block = block > 0 ? (size_t)block : 1;
    pool->max_transfer =
        transfer > 0 && transfer < MAX_TRANSFER ? (size_t)transfer : (size_t)MAX_TRANSFER;
    pool->max_transfer -= pool->max_transfer % pool->block;
    if (pool->max_transfer == 0)
        return error_set(err, ERROR_CORRUPT, "\"%s\" takes requests of no size",
                         pool->nbd_export.uri);
    if (pool->max_write > pool->max_transfer)
        pool->max_write = pool->max_transfer;
    *connections = pool->connections == 0 ? DEFAULT_CONNECTIONS : pool->connections;
    if (*connections > MAX_CONNECTIONS)
        *connections = MAX_CONNECTIONS;
    if (nbd_can_multi_conn(nbd) != 1)
        *connections = 1;
    return 0;
}

static int connect_all(struct nbd_pool *pool, struct error **err)
{
    unsigned connections = 1;

    do {
        struct nbd_handle *nbd;

        if (nbd_connect(&pool->nbd_export, &nbd, err) == -1)
            return -1;
        if (pool->link_count == 0 && learn(pool, nbd, &connections, err) == -1) {
            nbd_close(nbd);
            return -1;
        }
        if (nbd_link_start(&pool->nbd_export, nbd, &pool->links[pool->link_count], err) == -1)
            return -1;
        pool->link_count++;
    } while (pool->link_count < connections);
    return 0;
}

/* Whether the read succeeds does not matter here: who needs those bytes will ask again. */
static void measure_latency(struct nbd_pool *pool)
{
    char data[MAX_BLOCK];
    size_t len = pool->block > PROBE_BYTES ? pool->block : PROBE_BYTES;
    struct nbd_request request = {.kind = NBD_REQUEST_READ, .data = data, .len = len};
    int64_t start = time_mono_us();

    if (pool->nbd_export.size_bytes < len)
        return;
    run_request(pool, &request);
    int64_t took = time_mono_us() - start;
    pool->latency_us = (unsigned)(took < MAX_LATENCY_US ? took : MAX_LATENCY_US);
}

int nbd_pool_open(const char *uri, const struct nbd_pool_options *options, struct nbd_pool **out,
                  struct error **err)
{
    CLEANUP(nbd_pool) struct nbd_pool *pool = xcalloc(1, sizeof(*pool));

    pool->nbd_export =
        (struct nbd_export){.uri = xstrdup(uri),
                            .timeout_ms = options->timeout_ms == 0 ? DEFAULT_TIMEOUT_MS
                                                                   : options->timeout_ms,
                            .cancel = options->cancel,
                            .writable = options->writable};
    pool->connections = options->connections;
    pool->max_write = options->write_bytes == 0 ? (size_t)DEFAULT_WRITE : options->write_bytes;
    if (connect_all(pool, err) == -1)
        return -1;
    if (!pool->nbd_export.writable)
        measure_latency(pool);
    *out = steal(&pool);
    return 0;
}

void nbd_pool_close(struct nbd_pool *pool)
{
    if (pool == NULL)
        return;
    for (size_t i = 0; i < pool->link_count; i++)
        nbd_link_stop(pool->links[i]);
    free(pool->nbd_export.uri);
    free(pool);
}

unsigned nbd_pool_latency(const struct nbd_pool *pool)
{
    return pool->latency_us;
}

uint64_t nbd_pool_size(const struct nbd_pool *pool)
{
    return pool->nbd_export.size_bytes;
}
