/* How the streams of an exec travel: five channels over one upgraded connection, as WebSocket
 * frames (exec_websocket.c) or as SPDY streams (exec_spdy.c).
 *
 * May use: base, data, net.  Threads: a wire has one owner.
 */
#pragma once

#include "base/cleanup.h"

#include <stdbool.h>
#include <stddef.h>

struct call;

enum exec_channel {
    EXEC_STDIN = 0, /* the numbers are those of channel.k8s.io */
    EXEC_STDOUT = 1,
    EXEC_STDERR = 2,
    EXEC_ERROR = 3,
    EXEC_RESIZE = 4,
    EXEC_CHANNELS,
};

struct exec_wire_options {
    bool wants[EXEC_CHANNELS];
    /* What the client sends; IS_LAST: nothing more comes on that channel. */
    void (*take)(void *arg, enum exec_channel channel, const char *data, size_t len, bool is_last);
    void *arg;
};

struct exec_wire;

/* Upgrades the connection of CALL and waits for the channels that are wanted.  NULL if that cannot
 * be: with the failure set, or without one once the connection is upgraded (the client is gone). */
struct exec_wire *exec_wire_accept(struct call *call, const struct exec_wire_options *options);
void exec_wire_free(struct exec_wire *wire);

/* A descriptor that polls readable when there may be something; HAS: bytes are buffered already. */
int exec_wire_fd(const struct exec_wire *wire);
bool exec_wire_has(const struct exec_wire *wire);

/* Reads once what is there and passes it on; false when the client is gone or sends nonsense. */
bool exec_wire_read(struct exec_wire *wire);

/* These are false when the client is gone. */
bool exec_wire_send(struct exec_wire *wire, enum exec_channel channel, const void *data,
                    size_t len);
bool exec_wire_ping(struct exec_wire *wire);

/* Sends the Status TEXT, how the command ended, and ends all channels. */
void exec_wire_finish(struct exec_wire *wire, const char *text);

DEFINE_CLEANUP(exec_wire, struct exec_wire *, exec_wire_free)
