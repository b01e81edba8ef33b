/* What two homes tell each other before a machine moves, as far as it can be judged by itself: every message
 * is a line of JSON from a home that may be of another release, or mean harm.
 *
 *     source -> target  {migrationID, channel: "sync", ask: "prepare", id, node, namespace, name, vmiUID, domain,
 *                        folder, machine: {uuid, type, arch, machine, memoryKiB, cpu, hostUUID, hostCPU,
 *                        hypervisor, bootID, disks: [{name, target, path, block, readOnly, sizeBytes,
 *                        allocatedBytes, device, inode}]}}
 *     target -> source  {node, domain, namespace, vmiUID, copied: [TARGET], postCopy, postCopyReason},
 *                        or {code, error}
 *     source -> target  {migrationID, channel: "sync", ask: "go", resume}, {..., ask: "abort", reason}
 *     source -> target  {migrationID, channel: "virt" | "data" | "nbd"}: a stream follows
 *
 * May use: base, data.  Threads: pure functions.
 */
#pragma once

#include "data/obj.h"

struct error;

enum {
    LIVE_ID_MAX = 253,    /* bytes of a migration's ID */
    LIVE_DISKS_MAX = 256, /* of one machine */
};

/* The first line of a connection: its migration and channel, borrowed from MESSAGE. */
struct live_hello {
    const char *migration_id, *channel;
};

int live_hello_read(const json_t *message, struct live_hello *out, struct error **err);

/* Whether the question "prepare" has all that it needs, of the right type and size. */
int live_question_check(const json_t *question, struct error **err);

/* The same of the target's answer to it. */
int live_plan_check(const json_t *plan, struct error **err);
