#include "apiserver/metrics.h"

#include "apiserver/histogram.h"
#include "base/error.h"
#include "base/file.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/thread.h"
#include "base/time.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { MAX_SERIES = 2000, MAX_LABELS = 400, MAX_STAT = 4096 };

struct metrics {
    pthread_mutex_t lock;
    int64_t started_ms;
    struct map *requests; /* labels and status -> struct histogram; guarded by lock, as the rest */
    struct map *open;     /* labels -> int64_t */
    struct map *writes;   /* labels -> struct histogram */
    _Atomic int64_t reading, changing; /* requests in flight; not guarded */
};

struct metrics *metrics_new(void)
{
    struct metrics *metrics = xcalloc(1, sizeof(*metrics));

    pthread_mutex_init(&metrics->lock, NULL);
    metrics->started_ms = time_now_ms();
    metrics->requests = map_new();
    metrics->open = map_new();
    metrics->writes = map_new();
    return metrics;
}

void metrics_free(struct metrics *metrics)
{
    if (metrics == NULL)
        return;
    map_free(metrics->requests, free);
    map_free(metrics->open, free);
    map_free(metrics->writes, free);
    pthread_mutex_destroy(&metrics->lock);
    free(metrics);
}

/* The value under KEY, made of SIZE zeros if there is none; NULL when there are too many. */
static void *find_or_make(struct map *map, const char *key, size_t size)
{
    void *value = map_find(map, key);

    if (value == NULL && map_count(map) < MAX_SERIES) {
        value = xcalloc(1, size);
        map_put(map, key, value);
    }
    return value;
}

static void format_labels(const struct metrics_labels *labels, char text[MAX_LABELS])
{
    snprintf(text, MAX_LABELS,
             "component=\"apiserver\",group=\"%.90s\",resource=\"%.90s\",scope=\"%.10s\","
             "subresource=\"%.30s\",verb=\"%.20s\",version=\"%.20s\"",
             labels->group, labels->resource, labels->scope, labels->subresource, labels->verb,
             labels->version);
}

void metrics_count(struct metrics *metrics, const struct metrics_labels *labels, int status,
                   int64_t us)
{
    char text[MAX_LABELS], key[MAX_LABELS + 16];

    format_labels(labels, text);
    snprintf(key, sizeof(key), "code=\"%d\",%s", status, text);
    LOCK_SCOPE(&metrics->lock);
    struct histogram *histogram = find_or_make(metrics->requests, key, sizeof(*histogram));
    if (histogram != NULL)
        histogram_add(histogram, us);
}

void metrics_stays_open(struct metrics *metrics, const struct metrics_labels *labels, int change)
{
    char key[MAX_LABELS];

    format_labels(labels, key);
    LOCK_SCOPE(&metrics->lock);
    int64_t *count = find_or_make(metrics->open, key, sizeof(*count));
    if (count != NULL)
        *count += change;
}

void metrics_in_flight(struct metrics *metrics, bool mutating, int change)
{
    atomic_fetch_add(mutating ? &metrics->changing : &metrics->reading, change);
}

void metrics_count_write(struct metrics *metrics, const char *operation, const char *group,
                         const char *plural, int64_t us)
{
    char key[MAX_LABELS];

    snprintf(key, sizeof(key), "operation=\"%.20s\",type=\"%.90s%s%.90s\"", operation, plural,
             *group == '\0' ? "" : ".", group);
    LOCK_SCOPE(&metrics->lock);
    struct histogram *histogram = find_or_make(metrics->writes, key, sizeof(*histogram));
    if (histogram != NULL)
        histogram_add(histogram, us);
}

/* --- Formatting --------------------------------------------------------------------------------
 */

static void format_requests(const struct metrics *metrics, struct buf *out)
{
    const char *labels;
    size_t pos = 0;
    void *value = NULL;

    buf_add(out, "# TYPE apiserver_request_duration_seconds histogram\n");
    while ((labels = map_next(metrics->requests, &pos, &value)) != NULL)
        histogram_format(value, "apiserver_request_duration_seconds", labels, out);
    buf_add(out, "# TYPE apiserver_request_total counter\n");
    pos = 0;
    while ((labels = map_next(metrics->requests, &pos, &value)) != NULL)
        buf_printf(out, "apiserver_request_total{%s} %" PRIu64 "\n", labels,
                   ((const struct histogram *)value)->count);
    buf_add(out, "# TYPE apiserver_longrunning_requests gauge\n");
    pos = 0;
    while ((labels = map_next(metrics->open, &pos, &value)) != NULL)
        buf_printf(out, "apiserver_longrunning_requests{%s} %" PRId64 "\n", labels,
                   *(const int64_t *)value);
    buf_printf(out,
               "# TYPE apiserver_current_inflight_requests gauge\n"
               "apiserver_current_inflight_requests{request_kind=\"mutating\"} %" PRId64 "\n"
               "apiserver_current_inflight_requests{request_kind=\"readOnly\"} %" PRId64 "\n",
               atomic_load(&metrics->changing), atomic_load(&metrics->reading));
}

static void format_writes(const struct metrics *metrics, struct buf *out)
{
    const char *labels;
    size_t pos = 0;
    void *value = NULL;

    buf_add(out, "# TYPE etcd_request_duration_seconds histogram\n");
    while ((labels = map_next(metrics->writes, &pos, &value)) != NULL)
        histogram_format(value, "etcd_request_duration_seconds", labels, out);
}

/* The second number of /proc/self/statm: pages in memory. */
static uint64_t resident_bytes(void)
{
    CLEANUP(error) struct error *ignored = NULL; /* then it is 0 */
    CLEANUP(str) char *text = NULL;
    struct span rest, pages;
    uint64_t count = 0;

    if (file_read("/proc/self/statm", MAX_STAT, &text, NULL, &ignored) == -1)
        return 0;
    rest = span_of(text);
    if (!span_split(&rest, ' ', &pages) || !span_split(&rest, ' ', &pages) ||
        !span_u64(pages, &count))
        return 0;
    return count * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void format_process(const struct metrics *metrics, struct buf *out)
{
    struct rusage usage = {0};

    getrusage(RUSAGE_SELF, &usage);
    double cpu = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                 (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
    buf_printf(out,
               "# TYPE process_resident_memory_bytes gauge\n"
               "process_resident_memory_bytes %" PRIu64 "\n"
               "# TYPE process_cpu_seconds_total counter\nprocess_cpu_seconds_total %g\n"
               "# TYPE process_start_time_seconds gauge\nprocess_start_time_seconds %.3f\n",
               resident_bytes(), cpu, (double)metrics->started_ms / 1e3);
}

void metrics_format(struct metrics *metrics, struct buf *out)
{
    LOCK_SCOPE(&metrics->lock);
    format_requests(metrics, out);
    format_writes(metrics, out);
    format_process(metrics, out);
}
