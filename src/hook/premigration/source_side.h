/* What the source of a live migration edits in the definition that it sends (libvirt's DestXML), as
 * KubeVirt's does: volumes that are copied and the instance's UID always; processors and disk paths
 * only when the target has no hooks, or its gate is off.
 *
 * The target's hooks make the latter again from what they find there: edits are idempotent, so old and
 * new sides mix in both directions.
 *
 * May use: base, data.  Threads: pure functions.
 */
#pragma once

#include "data/obj.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;

/* A volume whose data is copied (status.migratedVolumes).  A disk that is of the target's kind already
 * keeps its path. */
struct source_volume {
    const char *name;    /* the disk's alias without "ua-" */
    const char *file;    /* path on the target if it is a file there; else NULL */
    const char *block;   /* path on the target if it is a block device there; else NULL */
    uint64_t size_bytes; /* virtual size here: the target's volume may be larger; 0: no slice */
};

struct source_side {
    const char *uid, *target_uid; /* of the instance here and there, or NULL */
    const struct source_volume *volumes;
    size_t volume_count;

    bool target_has_hooks; /* the fields below are not looked at then */
    const json_t *cpu;     /* dedicated processors: "cpu" of a context (facts.h) without cpuset and
                              topology; or NULL */
    const json_t *target_cpuset; /* status.migrationState.targetCPUSet: a list of numbers */
    const char *target_topology; /* status.migrationState.targetNodeTopology: JSON text */
    const char *const *disk_files; /* the target's path of each disk in their order; NULL: leave it */
    size_t disk_count;             /* 0: leave all */
};

/* Edits the LEN bytes of a definition; *OUT belongs to the caller.  ERROR_INVALID if it cannot be
 * read, the number of disks is another, or the processors do not fit. */
int source_side_edit(const struct source_side *side, const char *xml, size_t len, char **out,
                     struct error **err);
