/* A VM's entry and pipeline at the beginning of a migration.
 *
 * May use: base, data, source.  Threads: pure functions.
 */
#pragma once

#include "move/vm/plan_view.h"

/* A new entry of status.migration.vms[] for REF of the plan and the inventory's VM: the plan's
 * fields, phase Started, and a pipeline.  MACHINE may be NULL where it could not be described. */
json_t *pipeline_new_vm(const struct plan_view *view, const json_t *ref, const json_t *vm,
                        const struct machine *machine);

/* True if OLD failed in its PostHook with the target done; then OLD is made ready to run that step
 * again instead of everything. */
bool pipeline_resume_post_hook(json_t *old);
