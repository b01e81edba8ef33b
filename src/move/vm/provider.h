/* The Provider controller: checks settings and secret, tests the connection, keeps the inventory's
 * collector running, and tells in conditions how far it is.
 *
 * May use: base, data, kube, source, inventory.  Threads: any worker; one per provider at a time.
 */
#pragma once

#include "kube/controller.h"
#include "move/vm/room.h"

/* ARG is the struct room. */
int provider_reconcile(void *arg, const char *ns, const char *name, struct cancel *cancel,
                       struct reconcile_result *result, struct error **err);

/* Makes the provider "host" in the main namespace if there is none. */
int provider_ensure_host(struct room *room, struct error **err);
