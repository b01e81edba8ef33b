/* The Host controller: an ESXi host by whose address the disks of its machines are read, past the
 * vCenter and over the network meant for it.
 *
 * May use: base, data, kube, source, inventory.  Threads: any worker; one per host at a time.
 */
#pragma once

#include "kube/controller.h"
#include "move/vm/plan_view.h"

/* ARG is the struct room. */
int host_reconcile(void *arg, const char *ns, const char *name, struct cancel *cancel,
                   struct reconcile_result *result, struct error **err);

/* Sends ACCESS by way of the ready Host object of the host on which VM (of the inventory) is, if
 * there is one. */
int host_route(struct plan_view *view, const json_t *vm, struct source_disk_access *access,
               struct error **err);
