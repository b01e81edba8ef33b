/* What the two kinds of exec_wire share with exec_wire.c.
 *
 * May use: base, data, net.  Threads: as exec_wire.h.
 */
#pragma once

#include "apiserver/exec_wire.h"
#include "base/text.h"

struct exec_wire {
    const struct exec_wire_ops *ops;
    struct http_response *response;
    struct exec_wire_options options;
    struct buf received; /* not taken apart yet */
};

/* All are required.  Bool: false when the client is gone, or sends nonsense. */
struct exec_wire_ops {
    /* All channels that are wanted are there. */
    bool (*is_open)(const struct exec_wire *wire);
    /* Takes one frame off the LEN bytes at DATA; *CONSUMED 0: it is not complete yet. */
    bool (*take_frame)(struct exec_wire *wire, char *data, size_t len, size_t *consumed);
    bool (*send)(struct exec_wire *wire, enum exec_channel channel, const void *data, size_t len);
    bool (*ping)(struct exec_wire *wire);
    void (*end)(struct exec_wire *wire); /* after the Status */
    void (*free)(struct exec_wire *wire);
};

/* Upgrade the connection if the request asks for this kind of wire; NULL if it does not, or not for
 * a protocol that we speak.  The caller fills in the rest of the struct. */
struct exec_wire *exec_websocket_accept(struct call *call);
struct exec_wire *exec_spdy_accept(struct call *call);
