/* What the inventory and the builders see of OVF packages.
 *
 * May use: base, data.  Threads: no shared state.
 */
#pragma once

#include "source/ova/catalog.h"
#include "source/ova/share.h"
#include "source/source.h"

struct map;

/* Puts the machines, disks, networks and storages of ENTRY.  Packages share their networks by name:
 * those in SEEN (by name) are passed over, the others added to it. */
void ova_objects_put(const struct ova_share *share, const struct ova_entry *entry,
                     const struct source_sink *sink, struct map *seen);

/* Puts the storage that stands for all disks of the provider NAME with UID, under the name that
 * storage maps for OVA providers use. */
void ova_objects_put_storage(const char *uid, const char *name, const struct source_sink *sink);

/* The neutral description of machine SYSTEM of ENTRY.  GROUP is the id of the storage for all
 * disks. */
struct machine *ova_objects_describe(const struct ova_share *share, const struct ova_entry *entry,
                                     size_t system, const char *group);
