/* How a disk's volume is called: by the VM's, the plan's or the controller's template, or as
 * Forklift does by itself.
 *
 * May use: base, data, lang.  Threads: pure functions.
 */
#pragma once

#include "move/vm/vm_run.h"

struct disk_name {
    char *text;
    bool generate; /* a prefix for generateName, not a whole name */
};

/* The name for the volume of disk INDEX.  A template that fails at run time gives way to the plan's
 * name and the VM's id. */
void disk_name_make(struct vm_run *run, size_t index, struct disk_name *name);
void disk_name_reset(struct disk_name *name);

/* Checks a template for volumes of disks (NULL or empty: none): it must parse, use what there is,
 * and give a label.  The error tells what is wrong. */
int disk_name_check(const char *template, struct error **err);

DEFINE_CLEANUP_IN_PLACE(disk_name, struct disk_name, disk_name_reset)
