/* The steps that only warm migrations have: snapshots, what changed between them, the wait for the
 * cutover.
 *
 * May use: base, data, kube, source.  Threads: one owner.
 */
#pragma once

#include "move/vm/vm_run.h"

/* Steps, as itinerary.h has them.  One function serves all snapshots of the itinerary: each looks at
 * the last copy in the VM's status. */
int create_snapshot_run(struct vm_run *run, bool *done, struct error **err);
int wait_for_snapshot_run(struct vm_run *run, bool *done, struct error **err);
int store_deltas_run(struct vm_run *run, bool *done, struct error **err);
int add_checkpoint_run(struct vm_run *run, bool *done, struct error **err);
int copying_paused_run(struct vm_run *run, bool *done, struct error **err);
int remove_snapshot_run(struct vm_run *run, bool *done, struct error **err);
int wait_for_removal_run(struct vm_run *run, bool *done, struct error **err);
/* The same, but a snapshot that stays is a warning: the target is done. */
int wait_for_final_removal_run(struct vm_run *run, bool *done, struct error **err);

/* Removes every snapshot that migrations of this plan made of the VM; *CLEAN once none is left. */
int warm_snapshots_clean(struct vm_run *run, bool *clean, struct error **err);
