/* VirtualMachines: an instance is made and removed as the run strategy says.
 *
 * May use: base, data, kube.  Threads: all functions may be called from any thread.
 */
#pragma once

#include "base/cleanup.h"
#include "data/obj.h"

struct agent;
struct error;
struct machines;

/* Needs agent->machines and agent->instances, not yet started. */
int machines_start(struct agent *agent, struct machines **out, struct error **err);
void machines_stop(struct machines *machines);

/* KubeVirt's subresources "start", "stop" and "restart" of the VirtualMachine NS/NAME. */
int machines_act(struct machines *machines, const char *ns, const char *name, const char *action,
                 const json_t *body, struct error **err);

DEFINE_CLEANUP(machines, struct machines *, machines_stop)
