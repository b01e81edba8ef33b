/* What a guest's disks tell of it, by virt-inspector.
 *
 * May use: base, data.  Threads: no shared state.
 */
#pragma once

#include "data/obj.h"

#include <stddef.h>

/* {os, osinfo, product, version, arch, hostname, firmware, bootDisk} of the first operating system
 * on DISKS, as far as found.  Owned by the caller; empty if the inspection fails, which is logged:
 * a conversion that succeeded is not undone for that. */
json_t *convert_inspect(const char *const *disks, size_t count);

/* The same from the XML that virt-inspector writes, LEN bytes.  Any input is safe to pass. */
json_t *convert_inspect_parse(const char *xml, size_t len);
