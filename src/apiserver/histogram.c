#include "apiserver/histogram.h"

#include "base/array.h"
#include "base/text.h"

#include <assert.h>
#include <inttypes.h>

/* Upper bounds in microseconds. */
static const int64_t bounds_us[] = {100,   250,   500,    1000,   2500,    5000,   10000,
                                    25000, 50000, 100000, 250000, 1000000, 5000000};
static_assert(ARRAY_SIZE(bounds_us) == HISTOGRAM_BOUNDS, "every bucket has a bound");

void histogram_add(struct histogram *histogram, int64_t us)
{
    size_t i = 0;

    histogram->count++;
    histogram->sum_us += us > 0 ? (uint64_t)us : 0;
    while (i < HISTOGRAM_BOUNDS && us > bounds_us[i])
        i++;
    if (i < HISTOGRAM_BOUNDS)
        histogram->buckets[i]++;
}

void histogram_format(const struct histogram *histogram, const char *name, const char *labels,
                      struct buf *out)
{
    const char *comma = *labels == '\0' ? "" : ",";
    uint64_t below = 0;

    for (size_t i = 0; i < HISTOGRAM_BOUNDS; i++) {
        below += histogram->buckets[i];
        buf_printf(out, "%s_bucket{%s%sle=\"%g\"} %" PRIu64 "\n", name, labels, comma,
                   (double)bounds_us[i] / 1e6, below);
    }
    buf_printf(out, "%s_bucket{%s%sle=\"+Inf\"} %" PRIu64 "\n", name, labels, comma,
               histogram->count);
    const char *open = *labels == '\0' ? "" : "{", *close = *labels == '\0' ? "" : "}";
    buf_printf(out, "%s_sum%s%s%s %g\n%s_count%s%s%s %" PRIu64 "\n", name, open, labels, close,
               (double)histogram->sum_us / 1e6, name, open, labels, close, histogram->count);
}
