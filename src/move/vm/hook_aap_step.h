/* Hooks with spec.aap in a VM's pipeline: their connection, their time limit.
 *
 * May use: base, data, kube, hook.  Threads: no shared state.
 */
#pragma once

#include "hook/job.h"
#include "move/vm/vm_run.h"

/* As hook_job_run, for a hook with spec.aap whose TASK keeps the job's id. */
int hook_aap_step(struct vm_run *run, const struct hook_call *call, const json_t *task,
                  struct hook_outcome *outcome, struct error **err);

/* Cancels the jobs of hooks that a canceled VM still has running. */
int hook_aap_stop(struct vm_run *run, struct error **err);
