/* A list-watch cache: all objects of one kind, kept fresh by a thread of its own.
 *
 * Survives 410, lost connections and server restarts (lists again with growing delays).
 * Objects in it are frozen and come with a reference of their own (json_decref when done); they
 * have no metadata.managedFields.
 *
 * May use: base, data.  Threads: all functions may be called from any thread; handlers run on the
 * cache's thread and must be short (put a key on a work queue).
 */
#pragma once

#include "base/cleanup.h"
#include "kube/client.h"

struct kube_cache;

enum kube_change { KUBE_ADDED, KUBE_MODIFIED, KUBE_DELETED };

/* OLD is NULL for KUBE_ADDED; OBJECT is the last state known for KUBE_DELETED. */
typedef void (*kube_handler)(void *arg, enum kube_change change, const json_t *old,
                             const json_t *object);

/* NS NULL: every namespace.  OPTIONS NULL: all objects.  KIND and the client must outlive it. */
struct kube_cache *kube_cache_new(struct kube_client *client, const struct kube_kind *kind,
                                  const char *ns, const struct kube_list_options *options);

/* Before kube_cache_start.  A handler gets everything there is as KUBE_ADDED first. */
void kube_cache_add_handler(struct kube_cache *cache, kube_handler handler, void *arg);

int kube_cache_start(struct kube_cache *cache, struct error **err);

/* Stops the thread and waits for it: no handler runs afterwards.  Reading goes on. */
void kube_cache_stop(struct kube_cache *cache);
void kube_cache_free(struct kube_cache *cache); /* stops it, too */

/* Waits until the first list is in. */
int kube_cache_wait(struct kube_cache *cache, int64_t timeout_ms, struct cancel *cancel,
                    struct error **err);

/* The object, with a reference for the caller, or NULL. */
json_t *kube_cache_get(struct kube_cache *cache, const char *ns, const char *name);

/* All objects (of NS unless NULL) that match LABELS, a selector's text or NULL, as a new array.  A
 * selector that is wrong is our mistake: it is logged and matches nothing. */
json_t *kube_cache_list(struct kube_cache *cache, const char *ns, const char *labels);

DEFINE_CLEANUP(kube_cache, struct kube_cache *, kube_cache_free)
