/* Leader election by a Lease object: of several processes with the same lease, one leads.
 *
 * The holder renews the lease every RENEW_MS; who sees no renewal for the lease's duration, on its
 * own clock, may take it.  So clocks need not agree, and two leaders are possible only if a process
 * stands still for longer than the duration and then goes on without looking: long steps check the
 * cancel of lease_lost.
 *
 * May use: base, data.  Threads: all functions may be called from any thread.
 */
#pragma once

#include "base/cleanup.h"
#include "kube/client.h"

struct lease;

struct lease_options {
    const char *ns, *name;
    const char
        *identity; /* unique among the candidates; NULL makes one of host and random letters */
    int64_t duration_ms; /* 0: 15 s */
    int64_t renew_ms;    /* 0: 2 s */
};

struct lease *lease_new(struct kube_client *client, const struct lease_options *options);

/* Waits until this process leads, and keeps the lease renewed from then on.  Fails when CANCEL is
 * requested. */
int lease_acquire(struct lease *lease, struct cancel *cancel, struct error **err);

/* Requested when the lease could not be renewed in time or somebody else took it.  What leads must
 * stop; the lease cannot be acquired again.  Borrowed. */
struct cancel *lease_lost(struct lease *lease);

/* Gives the lease up, so that another candidate need not wait, and frees. */
void lease_free(struct lease *lease);

DEFINE_CLEANUP(lease, struct lease *, lease_free)
