/* The Hook controller: is the hook one that can be run?
 *
 * May use: base, data, kube, hook.  Threads: any worker.
 */
#pragma once

#include "kube/controller.h"
#include "move/vm/room.h"

/* ARG is the struct room. */
int hook_reconcile(void *arg, const char *ns, const char *name, struct cancel *cancel,
                   struct reconcile_result *result, struct error **err);

/* True if TEXT has the form of a container image: [HOST[:PORT]/]PATH[:TAG][@DIGEST]. */
bool image_reference_is_valid(const char *text);
