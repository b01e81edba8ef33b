/* What stands against moving a VM of vSphere, or is worth knowing before.
 *
 * May use: base, data, kube, inventory, source.  Threads: one owner.
 */
#pragma once

#include "move/vm/plan_view.h"

/* On a Plan: "true" has a warm migration switch on change tracking where it is off. */
#define ANNOTATION_ENABLE_TRACKING "gantry.io/enable-change-tracking"

/* Stages findings about VM (of the inventory), described as MACHINE. */
int plan_check_vsphere(struct plan_view *view, const json_t *vm, const struct machine *machine,
                       struct error **err);
