/* How a disk's volume is called: by the VM's, the plan's or the controller's template, or as
 * Forklift does by itself; and how the volumes and networks of the target machine are called.
 *
 * May use: base, data, lang.  Threads: pure functions.
 */
#pragma once

#include "move/vm/vm_run.h"

/* Used where nobody wrote a template for claims. */
#define DISK_NAME_BUILT_IN "{{trunc 15 .PlanName}}-{{trunc 15 .TargetVmName}}-disk-{{.DiskIndex}}"

struct disk_name {
    char *text;
    bool generate; /* a prefix for generateName, not a whole name */
};

/* The name for the volume of disk INDEX.  A template that fails at run time gives way to the plan's
 * name and the VM's id. */
void disk_name_make(struct vm_run *run, size_t index, struct disk_name *name);
void disk_name_reset(struct disk_name *name);

/* The name in the target machine of volume INDEX, whose claim is CLAIM, or of network INDEX, which
 * goes to DESTINATION: by a template, else vol-N or net-N.  So is one whose template fails or gives
 * what USED (an object of names; gets the new one) has already.  Owned by the caller. */
char *volume_name_make(const struct vm_run *run, size_t index, const char *claim, json_t *used);
char *network_name_make(const struct vm_run *run, size_t index, const json_t *destination,
                        json_t *used);

DEFINE_CLEANUP_IN_PLACE(disk_name, struct disk_name, disk_name_reset)
