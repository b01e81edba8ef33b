/* The provider type "openshift": a cluster, of which we know the one we run in (the host provider,
 * with an empty url).  Its objects are what targets of migrations refer to: namespaces, storage
 * classes, network attachments, machines.
 *
 * May use: base, data, kube.  Threads: as source.h says.
 */
#pragma once

#include "source/source.h"

extern const struct source_ops openshift_source_ops;
