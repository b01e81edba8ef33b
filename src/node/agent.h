/* What the parts of the agent share: the client, folders, what the machine offers, and the caches
 * of objects.
 *
 * May use: base, data, kube.  Threads: frozen once started, but for what the caches guard.
 */
#pragma once

#include "data/obj.h"
#include "kube/cache.h"
#include "kube/client.h"
#include "node/container.h"

#include <stdbool.h>
#include <stdint.h>

struct error;

struct agent {
    struct kube_client *client; /* borrowed */
    char *dir;                  /* DIR/node */
    char *name;                 /* of the Node */
    struct runtime runtime;
    /* guarded by themselves */
    struct kube_cache *pods, *jobs, *claims, *volumes, *classes, *machines, *instances,
        *migrations;
};

/* Tells the users of OBJECT, of KIND, what happened: an Event, counted up if it is repeated.
 * Failures are logged only. */
void agent_event(struct agent *agent, const struct kube_kind *kind, const json_t *object,
                 bool is_warning, const char *reason, const char *format, ...)
    __attribute__((format(printf, 6, 7)));

/* The same for a failure. */
void agent_event_error(struct agent *agent, const struct kube_kind *kind, const json_t *object,
                       const char *reason, const struct error *err);

/* Merges PATCH into OBJECT's status unless nothing would change. */
int agent_patch_status(struct agent *agent, const struct kube_kind *kind, const json_t *object,
                       json_t *status, struct error **err);

/* Sets one Kubernetes condition (type, status, reason, message, lastTransitionTime) in the array at
 * STATUS.conditions, taking the time of the change from OLD_STATUS where it is the same. */
void agent_set_condition(json_t *status, const json_t *old_status, const char *type, bool is_true,
                         const char *reason, const char *message);

/* Times in objects.  Owned by the JSON. */
json_t *agent_time(int64_t ms);
int64_t agent_time_ms(const json_t *object, const char *path); /* 0 if absent */
