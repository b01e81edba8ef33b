/* Writes that go on while their thread does something else, by the kernel's io_uring.
 *
 * The one place that knows liburing.  For src/disk only.  May use: base.  Threads: a struct uring
 * belongs to one thread.
 */
#pragma once

#include "base/cleanup.h"

#include <stddef.h>
#include <stdint.h>

struct error;
struct uring;

/* A ring for writes from the COUNT buffers of LEN bytes each, which outlive it and are mapped once
 * where the limits allow.  NULL where the kernel has no io_uring or forbids it. */
struct uring *uring_new(void *const *buffers, size_t count, size_t len);
void uring_free(struct uring *ring); /* nothing may be on its way */

/* Begins to write LEN bytes, all in one of the buffers, which stay as they are until uring_wait.  May
 * wait for others. */
void uring_write(struct uring *ring, int fd, const void *data, size_t len, uint64_t offset);

/* Hands to the kernel what was begun. */
void uring_submit(struct uring *ring);

/* Waits until all that was begun has ended.  Errors name NAME and the offset. */
int uring_wait(struct uring *ring, const char *name, struct error **err);

DEFINE_CLEANUP(uring, struct uring *, uring_free)
