/* The NetworkMap and StorageMap controllers: do their pairs exist on both sides?
 *
 * May use: base, data, kube, inventory.  Threads: any worker.
 */
#pragma once

#include "kube/controller.h"
#include "move/vm/room.h"

/* ARG is the struct room. */
int network_map_reconcile(void *arg, const char *ns, const char *name, struct cancel *cancel,
                          struct reconcile_result *result, struct error **err);
int storage_map_reconcile(void *arg, const char *ns, const char *name, struct cancel *cancel,
                          struct reconcile_result *result, struct error **err);
