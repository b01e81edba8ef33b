/* A cluster in memory, for tests: every kind, the requests that controllers make, no validation.
 *
 * Nobody runs pods or machines here: a test puts their status.  Requests can be made to fail, before
 * or after they took effect, as a crash between two requests would look to the next process.
 *
 * May use: base, data, net, kube.  Threads: one thread.
 */
#pragma once

#include "kube/client.h"

struct fake_cluster;

struct fake_cluster *fake_cluster_new(void);
void fake_cluster_free(struct fake_cluster *cluster);

/* A client; it must end before the cluster. */
struct kube_client *fake_cluster_client(struct fake_cluster *cluster);

/* Puts an object as another client would; it gets what it lacks (uid, resourceVersion). */
void fake_cluster_put(struct fake_cluster *cluster, const struct kube_kind *kind, json_t *object);

/* The object, borrowed and changeable in place, or NULL. */
json_t *fake_cluster_get(struct fake_cluster *cluster, const struct kube_kind *kind,
                         const char *ns, const char *name);

/* All objects of a kind as a new array of references. */
json_t *fake_cluster_list(struct fake_cluster *cluster, const struct kube_kind *kind);

void fake_cluster_remove(struct fake_cluster *cluster, const struct kube_kind *kind,
                         const char *ns, const char *name);

/* What a pod's log says. */
void fake_cluster_set_log(struct fake_cluster *cluster, const char *ns, const char *pod,
                          const char *text);

enum fake_failure { FAKE_FAIL_BEFORE, FAKE_FAIL_AFTER };

/* Fails the COUNT-th write (1: the next) with 503, before or after it took effect; 0: none. */
void fake_cluster_fail_write(struct fake_cluster *cluster, int count, enum fake_failure when);

/* Writes so far. */
int fake_cluster_writes(const struct fake_cluster *cluster);

DEFINE_CLEANUP(fake_cluster, struct fake_cluster *, fake_cluster_free)
