/* The provider type "ova": OVF packages in a folder or on an NFS share.
 *
 * May use: base, data, net, disk.  Threads: as source.h says.
 */
#pragma once

#include "source/source.h"

extern const struct source_ops ova_source_ops;
