/* Counters of requests, for /metrics.  May use: base.  Threads: safe anywhere. */
#pragma once

#include <stdint.h>

struct buf;
struct metrics;

struct metrics *metrics_new(void);
void metrics_free(struct metrics *metrics);

/* One answered request: VERB and RESOURCE ("" for none), the status, and how long it took. */
void metrics_count(struct metrics *metrics, const char *verb, const char *resource, int status,
                   int64_t us);

/* Appends all of them in the Prometheus text format. */
void metrics_format(struct metrics *metrics, struct buf *out);
