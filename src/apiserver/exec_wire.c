#include "apiserver/exec_wire_ops.h"

#include "apiserver/call.h"
#include "base/time.h"
#include "net/spdy.h"
#include "net/websocket.h"

#include <assert.h>
#include <string.h>

enum { PIECE = 16 * 1024, OPEN_MS = 30 * 1000 };

static_assert((int)SPDY_MAX_DATA == (int)WEBSOCKET_MAX_FRAME, "one buffer does for both");

/* Takes apart what was received. */
static bool take_frames(struct exec_wire *wire)
{
    struct buf *received = &wire->received;
    size_t taken = 0, consumed = 0;
    bool go_on = true;

    do {
        go_on =
            wire->ops->take_frame(wire, received->ptr + taken, received->len - taken, &consumed);
        taken += consumed;
    } while (go_on && consumed > 0);
    memmove(received->ptr, received->ptr + taken, received->len - taken);
    received->len -= taken;
    return go_on;
}

static bool read_for(struct exec_wire *wire, int64_t timeout_ms)
{
    char *room = buf_reserve(&wire->received, PIECE);
    if (room == NULL)
        return false;
    ssize_t n = http_response_read_raw(wire->response, room, PIECE, timeout_ms);
    if (n == 0)
        return false;
    if (n < 0)
        return timeout_ms == 0;
    buf_extend(&wire->received, (size_t)n);
    return take_frames(wire);
}

bool exec_wire_read(struct exec_wire *wire)
{
    return read_for(wire, 0);
}

static bool wait_until_open(struct exec_wire *wire)
{
    struct deadline deadline = deadline_after(OPEN_MS);

    while (!wire->ops->is_open(wire))
        if (deadline_is_over(deadline) || !read_for(wire, deadline_left_ms(deadline)))
            return false;
    return true;
}

struct exec_wire *exec_wire_accept(struct call *call, const struct exec_wire_options *options)
{
    CLEANUP(exec_wire) struct exec_wire *wire = exec_websocket_accept(call);

    if (wire == NULL)
        wire = exec_spdy_accept(call);
    if (wire == NULL) {
        fail_bad_request(&call->failure,
                         "exec needs an upgrade to a WebSocket with the protocol "
                         "v5.channel.k8s.io or v4.channel.k8s.io, or to SPDY/3.1 with "
                         "v4.channel.k8s.io");
        return NULL;
    }
    wire->response = call->response;
    wire->options = *options;
    wire->received = BUF_INIT(WEBSOCKET_MAX_FRAME + 2 * PIECE);
    return wait_until_open(wire) ? steal(&wire) : NULL;
}

void exec_wire_free(struct exec_wire *wire)
{
    if (wire == NULL)
        return;
    buf_reset(&wire->received);
    wire->ops->free(wire);
}

int exec_wire_fd(const struct exec_wire *wire)
{
    return http_response_raw_fd(wire->response);
}

bool exec_wire_has(const struct exec_wire *wire)
{
    return http_response_has_raw(wire->response);
}

bool exec_wire_send(struct exec_wire *wire, enum exec_channel channel, const void *data, size_t len)
{
    return wire->ops->send(wire, channel, data, len);
}

bool exec_wire_ping(struct exec_wire *wire)
{
    return wire->ops->ping(wire);
}

void exec_wire_finish(struct exec_wire *wire, const char *text)
{
    if (wire->ops->send(wire, EXEC_ERROR, text, strlen(text)))
        wire->ops->end(wire);
}
