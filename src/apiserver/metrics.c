#include "apiserver/metrics.h"

#include "base/map.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/thread.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

enum { MAX_SERIES = 2000, MAX_LABELS = 200 };

/* Upper bounds of the histogram, in microseconds. */
static const int64_t bounds_us[] = {100,   250,    500,    1000,   2500,    5000,   10000,
                                    25000, 50000, 100000, 250000, 1000000, 5000000};
enum { BOUNDS = sizeof(bounds_us) / sizeof(bounds_us[0]) };

struct series {
    uint64_t count;
    uint64_t sum_us;
    uint64_t buckets[BOUNDS];
};

struct metrics {
    pthread_mutex_t lock;
    struct map *series; /* labels -> struct series; guarded by lock */
};

struct metrics *metrics_new(void)
{
    struct metrics *metrics = xcalloc(1, sizeof(*metrics));

    pthread_mutex_init(&metrics->lock, NULL);
    metrics->series = map_new();
    return metrics;
}

void metrics_free(struct metrics *metrics)
{
    if (metrics == NULL)
        return;
    map_free(metrics->series, free);
    pthread_mutex_destroy(&metrics->lock);
    free(metrics);
}

/* Labels come from paths, that is, from outside: only words make a series of their own. */
static bool is_word(const char *text)
{
    for (const char *p = text; *p != '\0'; p++)
        if (!((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || *p == '-'))
            return false;
    return true;
}

void metrics_count(struct metrics *metrics, const char *verb, const char *resource, int status,
                   int64_t us)
{
    char labels[MAX_LABELS];
    bool clean = is_word(verb) && is_word(resource) && status != 404;

    snprintf(labels, sizeof(labels), "verb=\"%.30s\",resource=\"%.90s\",code=\"%d\"",
             clean ? verb : "other", clean ? resource : "other", status);
    LOCK_SCOPE(&metrics->lock);
    struct series *series = map_find(metrics->series, labels);
    if (series == NULL) {
        if (map_count(metrics->series) >= MAX_SERIES)
            return;
        series = xcalloc(1, sizeof(*series));
        map_put(metrics->series, labels, series);
    }
    series->count++;
    series->sum_us += (uint64_t)us;
    for (size_t i = 0; i < BOUNDS; i++)
        if (us <= bounds_us[i])
            series->buckets[i]++;
}

void metrics_format(struct metrics *metrics, struct buf *out)
{
    LOCK_SCOPE(&metrics->lock);
    const char *labels;
    size_t pos = 0;
    void *value = NULL;

    buf_add(out, "# TYPE apiserver_request_duration_seconds histogram\n");
    while ((labels = map_next(metrics->series, &pos, &value)) != NULL) {
        const struct series *series = value;
        for (size_t i = 0; i < BOUNDS; i++)
            buf_printf(out, "apiserver_request_duration_seconds_bucket{%s,le=\"%g\"} %" PRIu64 "\n",
                       labels, (double)bounds_us[i] / 1e6, series->buckets[i]);
        buf_printf(out, "apiserver_request_duration_seconds_bucket{%s,le=\"+Inf\"} %" PRIu64 "\n",
                   labels, series->count);
        buf_printf(out, "apiserver_request_duration_seconds_sum{%s} %g\n", labels,
                   (double)series->sum_us / 1e6);
        buf_printf(out, "apiserver_request_duration_seconds_count{%s} %" PRIu64 "\n", labels,
                   series->count);
    }
    buf_add(out, "# TYPE apiserver_request_total counter\n");
    pos = 0;
    while ((labels = map_next(metrics->series, &pos, &value)) != NULL)
        buf_printf(out, "apiserver_request_total{%s} %" PRIu64 "\n", labels,
                   ((const struct series *)value)->count);
}
