/* One HTTP resource, read patiently: in ranges or in one go, tried again after failures that may
 * pass, never a mixture of two versions of it.
 *
 * What may pass: a connection that is refused, reset or cut, no answer in time, 429 and 5xx.  A
 * request is repeated, from the byte where it broke, up to eight times with growing delays (what
 * Retry-After says, at most 30 s) and no longer than twice the timeout without progress.
 *
 * A version is told by its ETag, or else its Last-Modified, and its size.  A strong ETag is sent as
 * If-Match; each answer's are compared before its bytes count.
 *
 * For src/disk only.  May use: base, net.  Threads: http_resource_read may be called from several
 * threads at once, each call with a connection of its own, which is kept.
 */
#pragma once

#include "base/cleanup.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct disk_options;
struct error;
struct http_resource;

/* Sends nothing yet.  ERROR_INVALID for a URL with credentials in it: they would be seen in the
 * list of processes.  What the options name is borrowed until the resource is closed. */
int http_resource_open(const char *url, const struct disk_options *options,
                       struct http_resource **out, struct error **err);
void http_resource_close(struct http_resource *resource);

/* The URL without its query, which may hold secrets.  Borrowed. */
const char *http_resource_name(const struct http_resource *resource);

/* Asks for the first byte.  *HAS_RANGES tells whether the server sends parts and says how large the
 * whole is; if so *SIZE_BYTES is that.  Comes before http_resource_read. */
int http_resource_learn(struct http_resource *resource, bool *has_ranges, uint64_t *size_bytes,
                        struct error **err);

/* Microseconds that the server needed to begin its first answer. */
unsigned http_resource_latency(const struct http_resource *resource);

/* What tells this version from others, once the server has answered: the ETag, or else the
 * Last-Modified; NULL if it has neither.  Borrowed. */
const char *http_resource_version(const struct http_resource *resource);

/* Fills LEN bytes from OFFSET.  ERROR_CORRUPT: the resource was changed, or the server sent
 * something else than it was asked for. */
int http_resource_read(struct http_resource *resource, void *data, size_t len, uint64_t offset,
                       struct error **err);

/* Gets everything by one request, handing it to TAKE as it comes; false from TAKE ends it, which is
 * no failure.  A connection that breaks is replaced by one that goes on at that byte, if the
 * server sends parts and tells versions apart.  An answer whose end would not be noticed (neither
 * Content-Length nor chunks) is ERROR_UNSUPPORTED. */
int http_resource_fetch(struct http_resource *resource,
                        bool (*take)(void *arg, const char *data, size_t len), void *arg,
                        struct error **err);

DEFINE_CLEANUP(http_resource, struct http_resource *, http_resource_close)
