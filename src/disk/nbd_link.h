/* One connection to an NBD export, on a thread of its own: what disk/nbd_pool.h is made of.
 *
 * A libnbd handle belongs to the link's thread.  Callers hand it requests and wait; many may be in
 * flight.  A connection that is lost is made anew, for exports that are only read, and what was in
 * flight is asked again.  For a destination that would be wrong: writes that were answered but not
 * yet flushed may be gone with the server that had them.
 *
 * For src/disk only.  May use: base, libnbd.  Threads: nbd_link_run from any.
 */
#pragma once

#include "base/cleanup.h"
#include "disk/extent.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cancel;
struct error;
struct nbd_call;
struct nbd_handle;
struct nbd_link;

/* What is connected to; frozen while there are links. */
struct nbd_export {
    char *uri;
    int64_t timeout_ms;
    struct cancel *cancel;
    bool writable;
    uint64_t size_bytes;
};

enum nbd_request_kind {
    NBD_REQUEST_READ,
    NBD_REQUEST_WRITE,
    NBD_REQUEST_ZERO,
    NBD_REQUEST_FLUSH,
    NBD_REQUEST_EXTENTS,
};

/* Belongs to the caller, who leaves it alone until nbd_link_run returns. */
struct nbd_request {
    enum nbd_request_kind kind;
    void *data; /* read, write */
    size_t len;
    uint64_t offset;
    uint64_t length;          /* zero, extents */
    struct extent_list *list; /* extents */
    int error;                /* set by nbd_link_run, as what it returns */
    const char *why;          /* more about a failure, or NULL; set by nbd_link_run */

    /* The link's own. */
    struct nbd_link *link;
    struct nbd_call *call;
    struct nbd_request *next;
    int64_t start_ms;
};

/* Connects within the timeout; errors name the export. */
int nbd_connect(const struct nbd_export *nbd_export, struct nbd_handle **out, struct error **err);

/* Sets *ERR from libnbd's last failure in this thread: 'WHAT "URI": why'.  Returns -1. */
int nbd_fail(struct error **err, const char *what, const struct nbd_export *nbd_export);

/* Takes NBD, a connected handle, also on failure. */
int nbd_link_start(const struct nbd_export *nbd_export, struct nbd_handle *nbd,
                   struct nbd_link **out, struct error **err);
void nbd_link_stop(struct nbd_link *link); /* no request may be running */

/* Runs COUNT requests, all at once, and waits until the last has ended.  Returns 0, or an errno of the
 * first that failed: what the server answered, ETIMEDOUT if nothing came in time, ECONNRESET if the
 * connection was lost for good. */
int nbd_link_run(struct nbd_link *link, struct nbd_request *requests, size_t count);
