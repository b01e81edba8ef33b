/* The Migration controller: what the plan's history and VM statuses say, on the Migration itself.
 *
 * May use: base, data, kube, inventory.  Threads: any worker.
 */
#pragma once

#include "kube/controller.h"
#include "move/vm/room.h"

/* ARG is the struct room. */
int migration_reconcile(void *arg, const char *ns, const char *name, struct cancel *cancel,
                        struct reconcile_result *result, struct error **err);
