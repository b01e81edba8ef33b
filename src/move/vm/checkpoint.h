/* What a warm migration's copies after the first have to move.
 *
 * May use: base, data, kube, source, disk.  Threads: one owner.
 */
#pragma once

#include "disk/extent.h"
#include "move/vm/vm_run.h"

/* How a task's disk is copied, in its annotation "mode". */
#define CHECKPOINT_FULL "full"
#define CHECKPOINT_DELTA "delta"
#define CHECKPOINT_NOTHING "nothing"

/* On a volume: the number of the copy whose content it has. */
#define ANNOTATION_VOLUME_PRECOPY "gantry.io/precopy"

/* Marks the VM's volumes as having the content of the last copy. */
int checkpoint_mark_volumes(struct vm_run *run, const json_t *claims, struct error **err);

/* Makes a sorted list that covers at least the same with at most MAX areas. */
void checkpoint_coarsen(struct extent_list *list, size_t max);

/* The ConfigMap whose key "areas" has what is to be copied of TASK's disk, or NULL: all of it. */
const char *checkpoint_areas(const json_t *task);

/* The number of the copy that TASK is for, as text, or NULL in a cold migration. */
const char *checkpoint_number(const struct vm_run *run, const json_t *task);

/* Fits tasks and volumes to the disks that the machine has now, in its inventory and in its last
 * snapshot; *SAME once they do. */
int disk_shape_follow(struct vm_run *run, bool *same, struct error **err);
