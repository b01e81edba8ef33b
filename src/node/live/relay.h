/* The streams of live migrations that pass through us: libvirt's, memory, and disks.
 *
 * On both sides a stream is a socket in libvirtd's own /run/gantry, or libvirtd's own socket, and a
 * channel between the homes.  The source's gate listens where libvirtd and QEMU are told to connect to
 * and dials the other home for each connection.
 *
 * May use: base, data.  Threads: all functions may be called from any thread; one thread per stream.
 */
#pragma once

#include "base/cleanup.h"

#include <stddef.h>

struct error;
struct live_channel;
struct live_gate;
struct live_relays;

enum { LIVE_STREAMS_MAX = 512 }; /* at once, of all migrations */

struct live_relays *live_relays_new(void);
void live_relays_free(struct live_relays *relays); /* ends all */

/* Takes both ends and connects them on a thread of its own, for the migration ID. */
int live_relays_start(struct live_relays *relays, const char *id, struct live_channel *channel, int fd,
                      struct error **err);

size_t live_relays_count(struct live_relays *relays, const char *id);

/* Ends the streams of ID and waits for that. */
void live_relays_stop(struct live_relays *relays, const char *id);

struct live_gate_options {
    struct live_relays *relays;
    const char *folder;       /* live/channel.h */
    const char *url;          /* of the other home */
    const char *migration_id; /* what the other home knows it by */
    const char *id;           /* names the sockets ID.virt, ID.data and ID.nbd */
    int dir_fd;               /* where they are made; borrowed while the gate is open */
};

int live_gate_open(const struct live_gate_options *options, struct live_gate **out,
                   struct error **err);
/* Listens no longer, ends the streams, removes the sockets. */
void live_gate_close(struct live_gate *gate);

DEFINE_CLEANUP(live_relays, struct live_relays *, live_relays_free)
DEFINE_CLEANUP(live_gate, struct live_gate *, live_gate_close)
