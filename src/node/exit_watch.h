/* Tells at once when a process that is not our child has ended.
 *
 * May use: base.  Threads: any; ON_EXIT is called on the watch's own thread.
 */
#pragma once

#include "base/cleanup.h"

#include <sys/types.h>

struct error;
struct exit_watch;

int exit_watch_start(void (*on_exit)(void *arg, const char *ns, const char *name), void *arg,
                     struct exit_watch **out, struct error **err);
void exit_watch_free(struct exit_watch *watch);

/* Calls ON_EXIT once PID has ended, at once if it has already.  A process that is watched already
 * is not watched twice.  Where the kernel has no pidfd, nothing is called: callers look again
 * after a while in any case. */
void exit_watch_add(struct exit_watch *watch, pid_t pid, const char *ns, const char *name);

DEFINE_CLEANUP(exit_watch, struct exit_watch *, exit_watch_free)
