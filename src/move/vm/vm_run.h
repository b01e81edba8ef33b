/* One VM on its way, and the steps it goes through.
 *
 * A step looks at what exists before it does anything, so it may be repeated after a crash; it
 * never waits but says that it is not done yet.  Only the driver (vm_run_advance) changes the step.
 *
 * May use: base, data, kube, source, inventory, hook.  Threads: one owner.
 */
#pragma once

#include "base/cleanup.h"
#include "move/vm/itinerary.h"
#include "move/vm/plan_view.h"

#include <stdbool.h>

struct vm_run {
    struct plan_view *view;
    const json_t *migration; /* the Migration, or the history's reference {namespace, name, uid}
                                as an object with metadata if it is gone */
    json_t *status;          /* the entry of status.migration.vms[]; changed in place */
    json_t *vm;              /* the inventory's, or NULL once it is gone */
    struct machine *machine; /* described, or NULL */
    bool wants_record;       /* the phase that begins has to be on record before it goes on */
    int64_t again_ms;        /* when a step that is not done wants to run again; 0: on a change */
};

/* Does the VM's steps until one is not done, or the next one wants a record first.  Failures are
 * noted in the VM's status, not returned. */
void vm_run_advance(struct vm_run *run);

/* Takes the VM off its way: condition Canceled with REASON, then the step that cleans up. */
void vm_run_cancel(struct vm_run *run, const char *reason, const char *message);

/* Something blocks the plan: TEXT is shown at the VM's present step until that goes on. */
void vm_run_hold(struct vm_run *run, const char *text);

/* Fails the VM at its present step with TEXT. */
void vm_run_fail(struct vm_run *run, const char *text, const char *hint);

/* The VM's itinerary, and where on it the VM is. */
enum itinerary vm_run_itinerary(const struct vm_run *run);
enum step_id vm_run_step(const struct vm_run *run);

/* When a warm migration is to cut over, milliseconds since 1970, or -1 while nobody said so. */
int64_t vm_run_cutover_ms(const struct vm_run *run);

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
