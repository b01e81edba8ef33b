/* The Node object and the Lease that shows that its agent lives.
 *
 * May use: base, data, kube.  Threads: one of its own.
 */
#pragma once

#include "base/cleanup.h"

struct agent;
struct error;
struct heartbeat;

/* Makes or refreshes the Node, then renews the Lease every 10 s. */
int heartbeat_start(struct agent *agent, struct heartbeat **out, struct error **err);

/* Shows the Node as not ready and stops. */
void heartbeat_stop(struct heartbeat *heartbeat);

DEFINE_CLEANUP(heartbeat, struct heartbeat *, heartbeat_stop)
