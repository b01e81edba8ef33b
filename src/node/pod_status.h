/* What a Pod's status says, from the states of its containers; and what is to be done next.
 *
 * Pure: no I/O, no clock but what is passed in.  May use: base, data, kube.
 */
#pragma once

#include "data/obj.h"
#include "node/container.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One container of the Pod as it was found. */
struct pod_container {
    const json_t *spec; /* borrowed from the Pod */
    bool is_init;
    int run; /* the last one, -1: none */
    struct container_state state, before; /* of that run and of the one before it */
    char *message, *message_before;       /* termination messages, or NULL; owned */
    const char *waiting_reason;           /* why it could not be started, or NULL */
    char *waiting_message;                /* owned */
};

struct pod_view {
    const json_t *pod;
    struct pod_container *containers; /* the init containers first */
    size_t count;
    int64_t now_ms;
};

enum pod_next {
    POD_NOTHING, /* wait for something to happen, or until next_ms */
    POD_START,   /* start a run of container `index` */
    POD_OVER,    /* no container will run any more */
};

struct pod_plan {
    enum pod_next next;
    size_t index;
    int64_t next_ms; /* when a delayed restart is due, 0: none */
};

/* Which step comes next by the Pod's restart policy: init containers one after the other, then all
 * others, restarts with delays that double from 1 s to 5 minutes. */
struct pod_plan pod_plan_next(const struct pod_view *view);

/* The whole status: phase, conditions, containerStatuses, addresses, startTime.  REASON and MESSAGE
 * (NULL: none) are why the Pod as a whole failed.  Owned by the caller. */
json_t *pod_status_make(const struct pod_view *view, const char *reason, const char *message);

void pod_view_reset(struct pod_view *view);
