/* Inside of the Validation service.  May use: what validation.h may. */
#pragma once

#include "base/thread.h"
#include "validation/rules.h"
#include "validation/validation.h"

enum { IDLE_MAX = 16 };

struct validation {
    struct validation_options options;
    char *ns, *configmap;
    int64_t interval_ms;
    struct rules *rules;
    struct thread thread;
    struct map *surroundings; /* of the thread: by provider, a number for hosts and clusters */
    json_t *told;             /* of the thread: the trouble that was logged */
    pthread_mutex_t lock;
    pthread_cond_t cond;
    bool awake; /* guarded by lock */
    _Atomic bool stopping;
    struct rego_eval *idle[IDLE_MAX]; /* evaluators of requests; guarded by lock */
    size_t idle_count;
};
