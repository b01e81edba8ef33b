/* The ways of a VM through the steps of its migration: one for cold, one for warm.
 *
 * A step is what is done; an itinerary says in which order, and which step of the pipeline shows it.
 *
 * May use: base.  Threads: constant tables.
 */
#pragma once

#include <stdbool.h>

struct error;
struct vm_run;

enum step_id {
    STEP_STARTED,
    STEP_PRE_HOOK,
    STEP_CREATE_INITIAL_SNAPSHOT,
    STEP_WAIT_FOR_INITIAL_SNAPSHOT,
    STEP_STORE_INITIAL_DELTAS,
    STEP_CREATE_DATA_VOLUMES,
    STEP_COPY_DISKS,
    STEP_COPYING_PAUSED,
    STEP_REMOVE_PREVIOUS_SNAPSHOT,
    STEP_WAIT_FOR_PREVIOUS_REMOVAL,
    STEP_CREATE_SNAPSHOT,
    STEP_WAIT_FOR_SNAPSHOT,
    STEP_STORE_DELTAS,
    STEP_ADD_CHECKPOINT,
    STEP_STORE_POWER_STATE,
    STEP_POWER_OFF_SOURCE,
    STEP_WAIT_FOR_POWER_OFF,
    STEP_REMOVE_PENULTIMATE_SNAPSHOT,
    STEP_WAIT_FOR_PENULTIMATE_REMOVAL,
    STEP_CREATE_FINAL_SNAPSHOT,
    STEP_WAIT_FOR_FINAL_SNAPSHOT,
    STEP_STORE_FINAL_DELTAS,
    STEP_ADD_FINAL_CHECKPOINT,
    STEP_FINALIZE,
    STEP_REMOVE_FINAL_SNAPSHOT,
    STEP_WAIT_FOR_FINAL_REMOVAL,
    STEP_CREATE_CONVERSION_POD,
    STEP_CONVERT_GUEST,
    STEP_CREATE_VM,
    STEP_POST_HOOK,
    STEP_CLEAN_UP,
    STEP_COMPLETED,
    STEP_COUNT,
};

/* When a step is part of the itinerary: all its flags hold. */
enum step_flags {
    NEEDS_NOTHING = 0,
    NEEDS_PRE_HOOK = 0x01,
    NEEDS_POST_HOOK = 0x02,
    NEEDS_CONVERSION = 0x04,
};

struct step {
    const char *name; /* the phase, stored in status: never rename */
    unsigned needs;
    /* 0 with *DONE set when the next step may begin.  A failure that may pass (transient) is tried
     * again; any other ends the VM's migration. */
    int (*run)(struct vm_run *run, bool *done, struct error **err);
    enum step_id on_failure;
    bool recorded; /* that it begins is on record first: it destroys what earlier steps are found by */
};

/* A step's place in an itinerary. */
struct leg {
    bool is_used;
    const char *pipeline; /* the pipeline's step that it counts to, or NULL */
    enum step_id next;
    bool forks; /* at the time of the cutover it goes on to OTHER instead */
    enum step_id other;
};

enum itinerary { ITINERARY_COLD, ITINERARY_WARM, ITINERARY_COUNT };

/* The row of a step. */
const struct step *step_get(enum step_id id);

/* The step called NAME; an unknown name is ERROR_CORRUPT. */
int step_find(const char *name, enum step_id *id, struct error **err);

const struct leg *itinerary_get(enum itinerary itinerary, enum step_id id);
