/* Limits on memory, processor time and number of processes for one container, through whatever
 * control group version this machine lets us use: v2, else v1, else none (the supervisor then uses
 * process limits).
 *
 * A group is found again by its name alone, so that whoever comes after a crash can remove it.
 * May use: base.  Threads: no shared state.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct error;

enum cgroup_version { CGROUP_NONE, CGROUP_V1, CGROUP_V2 };

struct cgroup_limits {
    uint64_t memory_bytes; /* 0: no limit, also the next two */
    uint64_t cpu_millis;   /* thousandths of a processor */
    uint64_t pids;
};

/* What can be used here: made a group and removed it again.  Looks each time. */
enum cgroup_version cgroup_probe(void);
const char *cgroup_version_name(enum cgroup_version version);

/* Makes the group NAME (letters, digits, dashes) with its limits, or sets them anew.  A controller
 * that is missing is left out; *MEMORY_LIMITED tells whether that of memory is there. */
int cgroup_make(enum cgroup_version version, const char *name, const struct cgroup_limits *limits,
                bool *memory_limited, struct error **err);

int cgroup_add(enum cgroup_version version, const char *name, pid_t pid, struct error **err);

/* True if the kernel killed a process of the group because its memory was used up. */
bool cgroup_was_out_of_memory(enum cgroup_version version, const char *name);

/* Kills what is left in the group and removes it; absent is fine.  Waits a second at most; what
 * cannot be removed by then is left for the next call. */
void cgroup_remove(enum cgroup_version version, const char *name);
