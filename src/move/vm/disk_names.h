/* How a disk's volume is called: by the plan's or the VM's template, or as Forklift does by itself.
 *
 * May use: base, data, lang.  Threads: pure functions.
 */
#pragma once

#include "move/vm/vm_run.h"

struct disk_name {
    char *text;
    bool generate; /* a prefix for generateName, not a whole name */
};

int disk_name_make(struct vm_run *run, size_t index, struct disk_name *name, struct error **err);
void disk_name_reset(struct disk_name *name);

DEFINE_CLEANUP_IN_PLACE(disk_name, struct disk_name, disk_name_reset)
