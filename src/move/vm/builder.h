/* The target: a KubeVirt VirtualMachine made from a described machine.
 *
 * The source's firmware, CPU topology, memory, disks in their order, and NICs with their MAC
 * addresses; the plan's labels, scheduling and power state.
 *
 * May use: base, data, kube, source.  Threads: pure but for what it borrows.
 */
#pragma once

#include "move/vm/vm_run.h"

/* The manifest for RUN's machine with its disks in CLAIMS (one for each, in order). */
int builder_make(struct vm_run *run, const json_t *claims, json_t **out, struct error **err);

/* "Always" or "Halted": what the plan and the source's power state ask for. */
const char *builder_run_strategy(const struct vm_run *run);
