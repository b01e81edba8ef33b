/* Plan validation: one finding, one condition entry.
 *
 * May use: base, data, kube, source, inventory.  Threads: no shared state.
 */
#pragma once

#include "move/vm/plan_view.h"

/* Stages what is wrong with the plan besides its providers, namespace and maps.  VMs are looked at
 * only if WITH_VMS (not while they are on their way). */
int plan_check(struct plan_view *view, bool with_vms, struct error **err);

/* The VMs part; in plan_check_vms.c. */
int plan_check_vms(struct plan_view *view, struct error **err);
