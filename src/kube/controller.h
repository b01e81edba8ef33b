/* A controller: a work queue of keys, workers, and a reconcile function.
 *
 * A key ("namespace/name") is worked on by one worker at a time; adding it meanwhile makes it run
 * once more afterwards.  A failure runs it again after a delay that doubles from 0.1 s to 60 s,
 * without limit of tries; ERROR_CONFLICT and ERROR_EXPIRED run it again at once, up to three times
 * in a row, then like any failure.
 *
 * To end: controller_stop all, free the caches they watch, controller_free.
 *
 * May use: base, data.  Threads: all functions may be called from any thread.
 */
#pragma once

#include "base/cleanup.h"
#include "kube/cache.h"

#include <stddef.h>
#include <stdint.h>

struct cancel;
struct controller;
struct error;

/* What reconcile wants next. */
struct reconcile_result {
    int64_t again_after_ms; /* 0: only when something changes; dropped if it runs before */
};

struct controller_spec {
    const char *name; /* for logs, metrics and thread names */
    int workers;      /* 0 means 1 */
    /* Brings the object under KEY closer to what it asks for.  CANCEL is requested when the
     * controller stops. */
    int (*reconcile)(void *arg, const char *ns, const char *name, struct cancel *cancel,
                     struct reconcile_result *result, struct error **err);
    void *arg;
};

struct controller *controller_new(const struct controller_spec *spec);

/* Adds a key at once, or after MS milliseconds; of several such delays the shortest counts.  Does
 * nothing once the controller is stopped.  NS may be NULL. */
void controller_add(struct controller *controller, const char *ns, const char *name);
void controller_add_after(struct controller *controller, const char *ns, const char *name,
                          int64_t ms);

/* Makes every change in CACHE add the object's own key (before kube_cache_start). */
void controller_watch(struct controller *controller, struct kube_cache *cache);

/* The same, but MAP adds the keys that concern a changed object. */
void controller_watch_map(struct controller *controller, struct kube_cache *cache,
                          void (*map)(struct controller *controller, const json_t *object,
                                      void *arg),
                          void *arg);

int controller_start(struct controller *controller, struct error **err);

/* Requests the CANCEL of running reconciles, waits for them, and starts no more. */
void controller_stop(struct controller *controller);
void controller_free(struct controller *controller); /* stops, too; no cache may refer to it */

/* What a controller has done and has to do. */
struct controller_stats {
    uint64_t runs, failures; /* reconciles that ended */
    uint64_t busy_us;        /* time spent in them */
    size_t ready, running, delayed;
};

void controller_get_stats(struct controller *controller, struct controller_stats *stats);

DEFINE_CLEANUP(controller, struct controller *, controller_free)
