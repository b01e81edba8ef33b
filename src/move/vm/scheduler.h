/* Who may start: at most so much work at once for each host of a source, shared fairly.
 *
 * Work is counted in units ("cost"): a disk that is being copied from an ESXi host, or a whole VM
 * where hosts do not matter.  A host (or a provider without hosts) has room for a number of units.
 *
 * - A VM starts if its cost fits beside what runs; one that needs more than there can ever be
 * starts when its host has nothing else to do.
 * - Of the plans that wait for a host, that with the least running work there is next, then that
 *   which was given the fewest bytes, then that which waits longest.  Nobody else is let in before
 *   it, so a VM with many disks is not passed by small ones for ever.
 * - One VM with much more to copy than the others must not hold its plan.  It should start early
 *   (the caller asks for the largest first), but while lighter ones wait behind them such VMs get
 * no more than half of a host.
 *
 * A plan that stopped asking no longer counts as waiting after a while.
 *
 * May use: base.  Threads: all functions may be called from any thread.
 */
#pragma once

#include "base/cleanup.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct scheduler;

/* A VM that wants a place.  Texts are borrowed. */
struct scheduler_request {
    const char *provider, *plan, *vm; /* keys; the three name the VM */
    const char *host; /* of the source, or NULL: all VMs of the provider are one host's */
    int64_t cost;     /* units; less than 1 counts as 1 */
    uint64_t bytes;   /* to copy, 0 if unknown */
    bool is_heavy;    /* much more than its plan's others, which wait */
};

/* KICK, which may be NULL, is called without any lock when there may be room for PLAN. */
struct scheduler *scheduler_new(void (*kick)(void *arg, const char *plan), void *arg);
void scheduler_free(struct scheduler *scheduler);

/* True if the VM has, or now gets, a place; MAX is the room of its host in units. */
bool scheduler_try(struct scheduler *scheduler, const struct scheduler_request *request,
                   int64_t max);

/* Takes a place without asking: for VMs found on their way after a restart.  Does nothing if the VM
 * has one. */
void scheduler_note(struct scheduler *scheduler, const struct scheduler_request *request);

/* The VM has this much left to do now, 0 or more; nothing if it has no place. */
void scheduler_set_cost(struct scheduler *scheduler, const char *provider, const char *plan,
                        const char *vm, int64_t cost);

/* Gives the place back, if there is one. */
void scheduler_release(struct scheduler *scheduler, const char *provider, const char *plan,
                       const char *vm);

/* The units that run on a host. */
int64_t scheduler_load(struct scheduler *scheduler, const char *provider, const char *host);

/* True if BYTES is so much more than the average of COUNT VMs with TOTAL bytes that it counts as
 * heavy. */
bool scheduler_is_heavy(uint64_t bytes, uint64_t total, size_t count);

DEFINE_CLEANUP(scheduler, struct scheduler *, scheduler_free)
