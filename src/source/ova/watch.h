/* Waiting for changes of a share: by inotify where the kernel tells of them, else until the time is
 * over (other machines' changes of an NFS share are not told).
 *
 * May use: base.  Threads: one owner.
 */
#pragma once

#include "base/cleanup.h"

#include <stdbool.h>
#include <stdint.h>

struct cancel;
struct ova_watch;

enum {
    OVA_WATCH_MAX_FOLDERS = 2048, /* more are only polled */
    OVA_WATCH_CALM_MS = 100,      /* quiet before a change is reported: writers come in bursts */
};

struct ova_watch *ova_watch_new(void);
void ova_watch_free(struct ova_watch *watch);

/* Watches the folders that lie below the folder ROOT now; before each scan. */
void ova_watch_renew(struct ova_watch *watch, int root);

/* Waits for a change, at most TIMEOUT_MS.  False if CANCEL is requested. */
bool ova_watch_wait(struct ova_watch *watch, int64_t timeout_ms, struct cancel *cancel);

DEFINE_CLEANUP(ova_watch, struct ova_watch *, ova_watch_free)
