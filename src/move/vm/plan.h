/* The Plan controller: validation, and the execution of its migrations.
 *
 * May use: base, data, kube, source, inventory, hook.  Threads: one worker per plan at a time.
 */
#pragma once

#include "kube/controller.h"
#include "move/vm/room.h"

/* Keeps a plan that has made something until that is removed. */
#define PLAN_FINALIZER "forklift/plan"

/* ARG is the struct room. */
int plan_reconcile(void *arg, const char *ns, const char *name, struct cancel *cancel,
                   struct reconcile_result *result, struct error **err);
