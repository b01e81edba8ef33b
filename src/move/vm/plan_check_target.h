/* Plan validation: what the target's namespace and storage must have.
 *
 * May use: base, data, kube, source, inventory.  Threads: one owner.
 */
#pragma once

#include "move/vm/plan_view.h"

/* Stages findings about user-defined networks, kept addresses, temporary storage and pod security.
 */
int plan_check_target(struct plan_view *view, struct error **err);
