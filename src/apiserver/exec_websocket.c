/* Exec over a WebSocket, v5 and v4.channel.k8s.io: the first byte of a frame is its channel. */
#include "apiserver/exec_wire_ops.h"

#define LOG_COMPONENT "exec"

#include "apiserver/call.h"
#include "base/error.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/websocket.h"

#include <stdlib.h>

enum { CHANNEL_CLOSE = 255 /* v5: the next byte's channel ends */ };

static const char *const protocols[] = {"v5.channel.k8s.io", "v4.channel.k8s.io", NULL};

static bool websocket_is_open(const struct exec_wire *wire)
{
    return true;
}

static void take_data(struct exec_wire *wire, const char *data, size_t len)
{
    const struct exec_wire_options *options = &wire->options;

    if (len == 0)
        return;
    unsigned char channel = (unsigned char)data[0];
    if (channel < EXEC_CHANNELS)
        options->take(options->arg, channel, data + 1, len - 1, false);
    else if (channel == CHANNEL_CLOSE && len > 1 && (unsigned char)data[1] < EXEC_CHANNELS)
        options->take(options->arg, (unsigned char)data[1], "", 0, true);
}

static bool websocket_take_frame(struct exec_wire *wire, char *data, size_t len, size_t *consumed)
{
    CLEANUP(error) struct error *err = NULL;
    struct websocket_frame frame;

    if (websocket_parse(data, len, &frame, consumed, &err) == -1) {
        log_debug("a client's frame: %s", err->msg);
        return false;
    }
    if (*consumed == 0)
        return true;
    if (frame.opcode == WEBSOCKET_CLOSE)
        return false;
    if (frame.opcode == WEBSOCKET_PING)
        return websocket_send(wire->response, WEBSOCKET_PONG, frame.data, frame.len);
    if (frame.opcode != WEBSOCKET_PONG)
        take_data(wire, frame.data, frame.len);
    return true;
}

static bool websocket_send_channel(struct exec_wire *wire, enum exec_channel channel,
                                   const void *data, size_t len)
{
    CLEANUP(buf) struct buf frame = BUF_INIT(WEBSOCKET_MAX_FRAME);

    buf_add_char(&frame, (char)channel);
    buf_append(&frame, data, len);
    return websocket_send(wire->response, WEBSOCKET_BINARY, frame.ptr, frame.len);
}

static bool websocket_ping(struct exec_wire *wire)
{
    return websocket_send(wire->response, WEBSOCKET_PING, "", 0);
}

static void websocket_end(struct exec_wire *wire)
{
    static const char normal[2] = {0x03, (char)0xe8}; /* 1000 */

    websocket_send(wire->response, WEBSOCKET_CLOSE, normal, sizeof(normal));
}

static void websocket_free(struct exec_wire *wire)
{
    free(wire);
}

static const struct exec_wire_ops websocket_ops = {
    .is_open = websocket_is_open,
    .take_frame = websocket_take_frame,
    .send = websocket_send_channel,
    .ping = websocket_ping,
    .end = websocket_end,
    .free = websocket_free,
};

struct exec_wire *exec_websocket_accept(struct call *call)
{
    const char *protocol = NULL;

    if (!websocket_accept(call->request, call->response, protocols, &protocol))
        return NULL;
    struct exec_wire *wire = xcalloc(1, sizeof(*wire));
    wire->ops = &websocket_ops;
    return wire;
}
