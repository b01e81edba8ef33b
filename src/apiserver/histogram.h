/* How long things took, in buckets, as Prometheus wants them.
 *
 * May use: base.  Threads: one owner, or a lock of the owner's.
 */
#pragma once

#include <stdint.h>

struct buf;

enum { HISTOGRAM_BOUNDS = 13 };

struct histogram {
    uint64_t count;
    uint64_t sum_us;
    uint64_t buckets[HISTOGRAM_BOUNDS]; /* each its own, not those below it */
};

void histogram_add(struct histogram *histogram, int64_t us);

/* Appends the series NAME with LABELS (a="b",c="d", or ""). */
void histogram_format(const struct histogram *histogram, const char *name, const char *labels,
                      struct buf *out);
