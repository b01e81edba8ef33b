/* What the server does to objects by itself: garbage collection by owner references, namespaces and
 * definitions that are being deleted, each namespace's service account and certificate, old Events.
 *
 * May use: base, data, kube.  Threads: all functions may be called from any thread.
 */
#pragma once

#include "data/obj.h"

#include <stdbool.h>

struct apiserver;
struct error;
struct housekeeping;

/* Starts the thread; it first looks at everything that a crash may have left undone. */
int housekeeping_start(struct apiserver *server, struct housekeeping **out, struct error **err);
void housekeeping_stop(struct housekeeping *housekeeping);

/* An object was written or removed.  NULL housekeeping: not running yet. */
void housekeeping_notice(struct housekeeping *housekeeping, const char *group, const char *plural,
                         const json_t *object, bool is_removed);

/* Holds the thread, while everything is replaced: what it has begun is finished when this returns. */
void housekeeping_hold(struct housekeeping *housekeeping);
/* Lets it go on, as after a start: it forgets what it was told and looks at everything. */
void housekeeping_start_over(struct housekeeping *housekeeping);

/* Makes what every namespace has: service account "default" and config map "kube-root-ca.crt". */
void housekeeping_furnish(struct apiserver *server, const char *ns);
