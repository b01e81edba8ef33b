/* What a hook's Job and its pods say about the run.
 *
 * May use: base, data, kube.  Threads: no shared state.
 */
#pragma once

#include "hook/job.h"

/* Fills OUTCOME from JOB and the newest of its pods. */
int hook_job_result(struct kube_client *client, const json_t *job, const struct hook_call *call,
                    struct hook_outcome *outcome, struct error **err);
