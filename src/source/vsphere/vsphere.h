/* The provider type "vsphere": a vCenter, or a single ESXi host.
 *
 * May use: base, data, net.  Threads: as source.h says.
 */
#pragma once

#include "source/source.h"

extern const struct source_ops vsphere_source_ops;
