/* Counters and gauges of migrations in the Prometheus text format, with Forklift's names, so that its
 * dashboards and alerts go on working.
 *
 * Counters count each Migration once, by its uid, from what the API server has; those that
 * are deleted stay counted until the process ends.  Gauges are read from the objects each time.
 *
 * May use: base, data, kube.  Threads: all functions may be called from any thread.
 */
#pragma once

#include "base/cleanup.h"
#include "data/obj.h"

struct buf;
struct figures;
struct kube_cache;

/* The caches must outlive it. */
struct figures *figures_new(struct kube_cache *plans, struct kube_cache *migrations,
                            struct kube_cache *providers);
void figures_free(struct figures *figures);

/* Counts MIGRATION if it has ended and was not counted yet: before it is forgotten. */
void figures_note(struct figures *figures, const json_t *migration);

/* Appends all of them. */
void figures_format(struct figures *figures, struct buf *out);

DEFINE_CLEANUP(figures, struct figures *, figures_free)
