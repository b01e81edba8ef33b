/* The target machine of a VM as the cluster has it, and what nobody may do to it.
 *
 * A machine that a migration brought to its end carries a mark of its own: the Plan's status may be
 * lost, restored from a backup or edited, the mark stays with the machine.  From then on it may be
 * the only copy of the workload that people use, and only its user removes it.
 *
 * May use: base, data, kube.  Threads: no shared state.
 */
#pragma once

#include "move/vm/vm_run.h"

/* On a VirtualMachine: when its migration had it done (RFC 3339). */
#define ANNOTATION_TARGET_DONE "gantry.io/migration-done"

/* Puts the mark on VM, durably, before anything else is said about it; repeating does nothing. */
int target_mark_done(struct vm_run *run, const json_t *vm, struct error **err);

/* The machine of this VM that must stay whatever happens to the migration, or NULL: one that is
 * marked as done, or one that runs and was made by another migration than this one.  *WHY says
 * which ("is done", "runs"), a constant.  The caller owns *VM. */
int target_find_kept(struct vm_run *run, json_t **vm, const char **why, struct error **err);
