/* A connection between two homes: a Unix socket on one machine, else TLS with certificates on both
 * ends.
 *
 * Each side has an authority of its own, in a folder FOLDER:
 *
 *     ca.crt, ca.key           made here; ca.crt is what the other home must trust
 *     server.crt, server.key   ours for who dials us
 *     client.crt, client.key   ours for whom we dial
 *     peers.crt                the authorities that we trust
 *
 * A connection begins with one line of JSON from who dialled and one back; what follows is up to them.
 *
 * May use: base, data, net.  Threads: a channel belongs to one thread at a time, but for
 * live_channel_fd, whose descriptor others may shut down.
 */
#pragma once

#include "base/cleanup.h"
#include "base/time.h"
#include "data/obj.h"

#include <stdbool.h>

struct error;
struct live_channel;

enum {
    LIVE_LINE_MAX = 1024 * 1024,
    LIVE_HELLO_MS = 10000, /* a handshake and the first line */
};

/* Makes FOLDER's authority and certificates unless they are there and good. */
int live_identity_make(const char *folder, struct error **err);

/* Listens on HOST:PORT (port 0: a free one), or on the socket "sock" in FOLDER if WHERE is NULL.  *URL
 * is what to dial, owned by the caller: "HOST:PORT" or "unix:PATH".  Returns the descriptor or -1. */
int live_listen(const char *folder, const char *where, char **url, struct error **err);

/* Connects to URL. */
int live_dial(const char *folder, const char *url, struct deadline deadline,
              struct live_channel **out, struct error **err);

/* Takes the accepted descriptor FD and finds out who is there: root or our own user on a Unix socket,
 * the holder of a trusted certificate on another. */
int live_accept(const char *folder, int fd, struct deadline deadline, struct live_channel **out,
                struct error **err);

int live_send(struct live_channel *channel, const json_t *message, struct deadline deadline,
              struct error **err);
int live_receive(struct live_channel *channel, json_t **out, struct deadline deadline,
                 struct error **err);

/* Passes bytes between CHANNEL and the socket FD, in both directions, until both have ended. */
void live_relay(struct live_channel *channel, int fd);

int live_channel_fd(const struct live_channel *channel);
void live_channel_free(struct live_channel *channel); /* closes it */

/* A Unix socket in the folder DIR_FD, however long its path is. */
int live_listen_in(int dir_fd, const char *name, struct error **err);
int live_connect_in(int dir_fd, const char *name, struct error **err);

DEFINE_CLEANUP(live_channel, struct live_channel *, live_channel_free)
