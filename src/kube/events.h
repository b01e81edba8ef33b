/* Events: what happened to an object, for `kubectl describe` and `kubectl get events`.
 *
 * A recorder writes them on a thread of its own and never makes its caller wait or fail: when the
 * server does not keep up, events are dropped.  An event that repeats within ten minutes raises the
 * count of the one that is there; more than ten different messages for the same object and reason
 * become one.
 *
 * May use: base, data.  Threads: all functions may be called from any thread.
 */
#pragma once

#include "base/cleanup.h"
#include "kube/client.h"

struct event_recorder;

/* COMPONENT says who speaks ("forklift-controller"), INSTANCE which one of them (a host or pod). */
struct event_recorder *event_recorder_new(struct kube_client *client, const char *component,
                                          const char *instance);

/* Starts the thread that writes. */
int event_recorder_start(struct event_recorder *recorder, struct error **err);

/* Writes what is queued, within two seconds, and frees. */
void event_recorder_free(struct event_recorder *recorder);

enum event_type { EVENT_NORMAL, EVENT_WARNING };

/* Says that REASON (one CamelCase word) happened to OBJECT, of KIND. */
void event_record(struct event_recorder *recorder, const struct kube_kind *kind,
                  const json_t *object, enum event_type type, const char *reason,
                  const char *format, ...) __attribute__((format(printf, 6, 7)));

DEFINE_CLEANUP(event_recorder, struct event_recorder *, event_recorder_free)
