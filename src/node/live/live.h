/* Live migration between two homes: VirtualMachineInstanceMigrations with spec.sendTo (here is the
 * source) and spec.receive (here is the target).  doc/design/live-migration.md has the protocol and why
 * a machine is never in two places, nor in none.
 *
 * May use: base, data, net, kube, hook.  Threads: all functions may be called from any thread.
 */
#pragma once

#include "base/cleanup.h"

struct agent;
struct error;
struct hypervisor;
struct live;

struct live_options {
    struct agent *agent;           /* agent->migrations is not yet started */
    struct hypervisor *hypervisor; /* outlives it */
    const char *listen;            /* HOST:PORT for homes on other machines; NULL: this one's only */
};

/* Makes this home's keys and certificates in DIR, the agent's folder, unless they are there: what
 * live_start would do, at any time before it. */
int live_prepare(const char *dir, struct error **err);

int live_start(const struct live_options *options, struct live **out, struct error **err);

/* Ends connections: migrations under way fail, and their machines go on at the source. */
void live_stop(struct live *live);

DEFINE_CLEANUP(live, struct live *, live_stop)
