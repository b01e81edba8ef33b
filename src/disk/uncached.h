/* Writes through the page cache that leave nothing in it (RWF_DONTCACHE): each is on its way to the disk
 * when the call returns, and its memory is free as soon as it got there.
 *
 * For src/disk only.  May use: base.  Threads: uncached_write may be called from several at once, on
 * ranges that do not overlap.
 */
#pragma once

#include "base/cleanup.h"

#include <stddef.h>
#include <stdint.h>

struct error;
struct uncached;

/* For FD, a regular file open for reading and writing, borrowed; NAME is for messages.  NULL where the
 * kernel or the file system cannot. */
struct uncached *uncached_new(int fd, const char *name);
void uncached_free(struct uncached *uncached);

/* Writes LEN bytes.  Waits while too much is on its way, so that memory stays bounded however slow the
 * disk.  What fails on its way to the disk is told once: by a later call, for any range, or by the next
 * fdatasync. */
int uncached_write(struct uncached *uncached, const void *data, size_t len, uint64_t offset,
                   struct error **err);

DEFINE_CLEANUP(uncached, struct uncached *, uncached_free)
