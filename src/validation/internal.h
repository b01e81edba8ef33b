/* Inside of the Validation service.  May use: what validation.h may. */
#pragma once

#include "base/map.h"
#include "base/thread.h"
#include "kube/events.h"
#include "validation/concern_pool.h"
#include "validation/rules.h"
#include "validation/validation.h"

#include <stdatomic.h>

enum { IDLE_MAX = 16 };

struct validation {
    struct validation_options options;
    char *ns, *configmap;
    int64_t interval_ms;
    char *kept_path; /* file with the rules in force, or NULL */
    struct rules *rules;
    struct event_recorder *events; /* or NULL */
    struct thread thread;
    /* Of the thread alone. */
    struct map *watched; /* "namespace/name" of a provider to struct watched */
    struct concern_pool *pool;
    json_t *told; /* the trouble that was told of */
    bool disabled;       /* by the knob feature_validation */
    bool is_restored;    /* the rules of the last start were looked for */
    bool map_is_behind;  /* the ConfigMap with the rules in force could not be written */

    _Atomic uint64_t judged, batches;
    _Atomic bool stopping;
    pthread_mutex_t lock;
    pthread_cond_t cond;
    struct map *changed;              /* guarded by lock, as below; providers to look at */
    bool all_changed;                 /* every provider */
    struct rego_eval *idle[IDLE_MAX]; /* evaluators of requests */
    size_t idle_count;
};

/* --- turn.c: one provider's machines ---------------------------------------------------------- */

/* What is known of a provider whose machines were judged. */
struct watched;
void watched_free(void *watched);

/* Judges those of PROVIDER's machines that need it.  Returns how many were judged. */
size_t turn_take(struct validation *v, struct rego_eval *eval, int64_t revision,
                 const json_t *provider);

/* --- users_rules.c: where rules come from, and who is told that they are wrong ----------------- */

/* Reads knobs and rules.  True if other rules are in force than before. */
bool users_rules_refresh(struct validation *v);

/* --- kept_rules.c: the rules in force over restarts -------------------------------------------- */

/* Begins with the rules that were in force last.  Fails if it cannot be told whether there are any;
 * to be tried again, and nobody to be judged before. */
int kept_rules_restore(struct validation *v, struct error **err);
/* Keeps the rules in force.  What cannot be written is told of. */
void kept_rules_save(struct validation *v);
/* Writes again what could not be written. */
void kept_rules_catch_up(struct validation *v);

/* --- stand_in.c -------------------------------------------------------------------------------- */

/* Keeps the Deployments there, and answers what is asked of them: scaling, restarts. */
void stand_in_refresh(struct validation *v);
