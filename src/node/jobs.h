/* Jobs: Pods made until enough have succeeded or too many have failed.
 *
 * Served: parallelism, completions, backoffLimit, activeDeadlineSeconds, suspend,
 * ttlSecondsAfterFinished.  Not served: indexed completion and failure policies.
 *
 * May use: base, data, kube.  Threads: its own workers.
 */
#pragma once

#include "base/cleanup.h"

struct agent;
struct error;
struct jobs;

/* Needs agent->jobs and agent->pods, not yet started: handlers are added to them. */
int jobs_start(struct agent *agent, struct jobs **out, struct error **err);
void jobs_stop(struct jobs *jobs);

DEFINE_CLEANUP(jobs, struct jobs *, jobs_stop)
