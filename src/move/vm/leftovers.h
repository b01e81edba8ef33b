/* What a migration made and nobody needs: removed, and seen to be gone.
 *
 * May use: base, data, kube, hook.  Threads: no shared state.
 */
#pragma once

#include "move/vm/vm_run.h"

enum leftovers_scope {
    LEFTOVERS_EARLIER, /* all that any migration of the plan made for the VM */
    LEFTOVERS_TARGET,  /* the same, after a failure or a cancel; hook jobs that ended stay */
    LEFTOVERS_HELPERS, /* only what helped to make the target: importer pods and the like */
};

/* Deletes what is in SCOPE; *CLEAN is set once all of it is gone.  A machine that must stay
 * (move/vm/target.h) is never removed: with LEFTOVERS_EARLIER it is ERROR_EXISTS and nothing is
 * touched, with LEFTOVERS_TARGET only the helpers go. */
int leftovers_remove(struct vm_run *run, enum leftovers_scope scope, bool *clean,
                     struct error **err);

/* Deletes what PLAN's migrations made, but for machines that are done and their volumes: for a plan
 * that is deleted. */
int leftovers_remove_of_plan(struct room *room, const json_t *plan, bool *clean,
                             struct error **err);
