/* Targets behind NBD: an export, and a qcow2 image written through a qemu-nbd child.
 * For src/disk only.  May use: base.  Threads: as disk/target.h. */
#pragma once

#include "disk/target.h"

int target_nbd_open(const char *uri, uint64_t size_bytes, const struct target_options *options,
                    struct target **out, struct error **err);

/* Makes the image at PATH, replacing what is there; the size must be known. */
int target_qcow2_open(const char *path, uint64_t size_bytes, const struct target_options *options,
                      struct target **out, struct error **err);
