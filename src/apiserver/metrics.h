/* What requests and writes there were and how long they took, for /metrics.  Names and labels are
 * those of a real server where it has the same thing.
 *
 * May use: base.  Threads: safe anywhere.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct buf;
struct metrics;

struct metrics *metrics_new(void);
void metrics_free(struct metrics *metrics);

/* What was asked for.  All are text, "" if there is none, and come from a kind that is served or
 * from a fixed list: labels that outsiders can choose would be memory that they can take. */
struct metrics_labels {
    const char *verb; /* LIST, POST, ... */
    const char *group, *version, *resource, *subresource;
    const char *scope; /* cluster, namespace, resource, or "" */
};

/* One answered request: its HTTP status, and how long it took. */
void metrics_count(struct metrics *metrics, const struct metrics_labels *labels, int status,
                   int64_t us);

/* A request that stays open (a watch, a log that is followed, a command in a pod) begins (1) or
 * ends (-1). */
void metrics_stays_open(struct metrics *metrics, const struct metrics_labels *labels, int change);

/* A request that changes something (MUTATING) or only reads begins (1) or ends (-1).  One that stays
 * open is only that. */
void metrics_in_flight(struct metrics *metrics, bool mutating, int change);

/* One write to the store: OPERATION is "create", "update" or "delete"; of the kind that is
 * served as PLURAL in GROUP. */
void metrics_count_write(struct metrics *metrics, const char *operation, const char *group,
                         const char *plural, int64_t us);

/* Appends all of them, and what this process takes, in the Prometheus text format. */
void metrics_format(struct metrics *metrics, struct buf *out);
