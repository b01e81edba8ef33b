/* Fits a guest's cores onto the host threads that a pod owns, as KubeVirt does.
 *
 * May use: base.  Threads: pure functions, safe anywhere.
 */
#pragma once

#include "hook/premigration/facts.h"

struct error;

struct cpu_fit {
    struct cpu_list pins;  /* pins.ptr[i]: the host thread of vCPU i */
    uint32_t emulator;     /* host thread of the emulator, if one was asked for */
};

struct cpu_fit_request {
    uint32_t cores;    /* guest cores, sockets included */
    uint32_t threads;  /* of each */
    bool strict;       /* a core's threads stay in one NUMA cell */
    bool emulator;     /* one thread more for the emulator */
};

/* Pass 1 takes cores that have enough allowed threads, cell by cell; pass 2 fragments within one
 * cell; pass 3, unless STRICT, whatever is left.  The result belongs to the caller (cpu_fit_reset). */
int cpu_fit(const struct cpu_fit_request *request, const struct fact_topology *topology,
            struct cpu_fit *out, struct error **err);
void cpu_fit_reset(struct cpu_fit *fit);
