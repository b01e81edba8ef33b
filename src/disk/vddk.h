/* Disks read through VMware's disk library (VDDK): "vddk://HOST[:PORT]/MACHINE?disk=FILE" with
 * "&snapshot=ID" for the disk as it was then.  For src/disk only.
 *
 * May use: base, net.  Threads: as disk/disk.h.
 */
#pragma once

#include "disk/disk.h"

bool vddk_is_url(const char *source);

int vddk_open(const char *url, const struct disk_options *options, struct disk **out,
              struct error **err);
