/* One VM on its way, and the steps it goes through.
 *
 * A step looks at what exists before it does anything, so it may be repeated after a crash; it
 * never waits but says that it is not done yet.  Only the driver (vm_run_advance) changes the step.
 *
 * May use: base, data, kube, source, inventory, hook.  Threads: one owner.
 */
#pragma once

#include "base/cleanup.h"
#include "move/vm/plan_view.h"

#include <stdbool.h>

enum step_id {
    STEP_STARTED,
    STEP_PRE_HOOK,
    STEP_STORE_POWER_STATE,
    STEP_POWER_OFF_SOURCE,
    STEP_WAIT_FOR_POWER_OFF,
    STEP_CREATE_DATA_VOLUMES,
    STEP_COPY_DISKS,
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

struct vm_run {
    struct plan_view *view;
    const json_t *migration; /* the Migration, or the history's reference {namespace, name, uid}
                                as an object with metadata if it is gone */
    json_t *status;          /* the entry of status.migration.vms[]; changed in place */
    json_t *vm;              /* the inventory's, or NULL once it is gone */
    struct machine *machine; /* described, or NULL */
    int64_t again_ms;        /* when a step that is not done wants to run again; 0: on a change */
};

struct step {
    const char *name;     /* the phase, stored in status: never rename */
    const char *pipeline; /* the pipeline's step that it counts to, or NULL */
    unsigned needs;
    /* 0 with *DONE set when the next step may begin.  A failure that may pass (transient) is tried
     * again; any other ends the VM's migration. */
    int (*run)(struct vm_run *run, bool *done, struct error **err);
    enum step_id next, on_failure;
};

/* The row of a step. */
const struct step *step_get(enum step_id id);

/* The step called NAME; an unknown name is ERROR_CORRUPT. */
int step_find(const char *name, enum step_id *id, struct error **err);

/* Does the VM's steps until one is not done.  Failures are recorded in the VM's status, not
 * returned. */
void vm_run_advance(struct vm_run *run);

/* Takes the VM off its way: condition Canceled with REASON, then the step that cleans up. */
void vm_run_cancel(struct vm_run *run, const char *reason, const char *message);

/* Fails the VM at its present step with TEXT. */
void vm_run_fail(struct vm_run *run, const char *text, const char *hint);

/* The pipeline's step that the present phase counts to, or NULL. */
json_t *vm_run_pipeline_step(const struct vm_run *run);

/* Source id, and the name on the target. */
const char *vm_run_id(const struct vm_run *run);
const char *vm_run_target_name(const struct vm_run *run);
const char *vm_run_target_ns(const struct vm_run *run);

/* Loads the machine's description if it is not there yet. */
int vm_run_describe(struct vm_run *run, struct error **err);

void vm_run_reset(struct vm_run *run);

/* The steps, by file. */
int started_run(struct vm_run *run, bool *done, struct error **err);
int pre_hook_run(struct vm_run *run, bool *done, struct error **err);
int post_hook_run(struct vm_run *run, bool *done, struct error **err);
int store_power_state_run(struct vm_run *run, bool *done, struct error **err);
int power_off_run(struct vm_run *run, bool *done, struct error **err);
int wait_for_power_off_run(struct vm_run *run, bool *done, struct error **err);
int create_data_volumes_run(struct vm_run *run, bool *done, struct error **err);
int copy_disks_run(struct vm_run *run, bool *done, struct error **err);
int create_conversion_pod_run(struct vm_run *run, bool *done, struct error **err);
int convert_guest_run(struct vm_run *run, bool *done, struct error **err);
int create_vm_run(struct vm_run *run, bool *done, struct error **err);
int clean_up_run(struct vm_run *run, bool *done, struct error **err);

DEFINE_CLEANUP_IN_PLACE(vm_run, struct vm_run, vm_run_reset)
