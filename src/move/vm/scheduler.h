/* Who may start: at most so many VMs of a source provider at once, shared fairly between plans.
 *
 * Of the plans that wait, the one with the fewest running VMs is next.  A plan that stopped asking
 * no longer counts as waiting after a while.
 *
 * May use: base.  Threads: all functions may be called from any thread.
 */
#pragma once

#include "base/cleanup.h"

#include <stdbool.h>
#include <stdint.h>

struct scheduler;

/* KICK, which may be NULL, is called without any lock when a place is free for PLAN. */
struct scheduler *scheduler_new(void (*kick)(void *arg, const char *plan), void *arg);
void scheduler_free(struct scheduler *scheduler);

/* True if VM of PLAN (keys) has, or now gets, one of MAX places of PROVIDER. */
bool scheduler_try(struct scheduler *scheduler, const char *provider, const char *plan,
                   const char *vm, int64_t max);

/* Takes a place without asking: for VMs found on their way after a restart. */
void scheduler_note(struct scheduler *scheduler, const char *provider, const char *plan,
                    const char *vm);

/* Gives the place back, if there is one. */
void scheduler_release(struct scheduler *scheduler, const char *provider, const char *plan,
                       const char *vm);

DEFINE_CLEANUP(scheduler, struct scheduler *, scheduler_free)
