/* Exec over SPDY/3.1, v4.channel.k8s.io: a stream for each channel, opened by the client and named
 * by its header "streamtype".  kubectl before 1.30 has nothing else. */
#include "apiserver/exec_wire_ops.h"

#define LOG_COMPONENT "exec"

#include "apiserver/call.h"
#include "base/array.h"
#include "base/error.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/spdy.h"

#include <assert.h>
#include <stdlib.h>

enum { MAX_CONTROL = 1024, DATA_HEAD = 8 };

static const char *const protocols[] = {"v4.channel.k8s.io", NULL};

static const char *const stream_types[] = {
    [EXEC_STDIN] = "stdin", [EXEC_STDOUT] = "stdout", [EXEC_STDERR] = "stderr",
    [EXEC_ERROR] = "error", [EXEC_RESIZE] = "resize",
};
static_assert(ARRAY_SIZE(stream_types) == EXEC_CHANNELS, "every channel has a stream");

struct spdy_wire {
    struct exec_wire wire; /* first */
    struct spdy *spdy;
    uint32_t streams[EXEC_CHANNELS]; /* 0: not open */
    uint32_t next_ping;
};

static struct spdy_wire *spdy_of(struct exec_wire *wire)
{
    return (struct spdy_wire *)wire;
}

static bool send_buf(struct exec_wire *wire, const struct buf *out)
{
    return !out->full && http_response_write_raw(wire->response, out->ptr, out->len);
}

static bool spdy_is_open(const struct exec_wire *wire)
{
    const struct spdy_wire *self = (const struct spdy_wire *)wire;

    for (size_t i = 0; i < EXEC_CHANNELS; i++)
        if (wire->options.wants[i] && self->streams[i] == 0)
            return false;
    return true;
}

/* Channels that nobody wants, or has already, are refused. */
static void open_stream(struct spdy_wire *self, uint32_t id, struct buf *out)
{
    struct span type = spdy_header(self->spdy, "streamtype");

    for (size_t i = 0; i < EXEC_CHANNELS; i++) {
        if (!span_eq_str(type, stream_types[i]) || !self->wire.options.wants[i] ||
            self->streams[i] != 0)
            continue;
        self->streams[i] = id;
        spdy_format_accept(self->spdy, id, out);
        return;
    }
    spdy_format_reset(id, out);
}

static void take_data(struct spdy_wire *self, const struct spdy_frame *frame)
{
    const struct exec_wire_options *options = &self->wire.options;
    bool is_last = frame->is_last || frame->kind == SPDY_RESET;

    for (size_t i = 0; i < EXEC_CHANNELS; i++)
        if (frame->id != 0 && self->streams[i] == frame->id)
            options->take(options->arg, i, frame->data, frame->kind == SPDY_DATA ? frame->len : 0,
                          is_last);
}

static bool spdy_take_frame(struct exec_wire *wire, char *data, size_t len, size_t *consumed)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(buf) struct buf out = BUF_INIT(MAX_CONTROL);
    struct spdy_wire *self = spdy_of(wire);
    struct spdy_frame frame;

    if (spdy_parse(self->spdy, data, len, &frame, consumed, &err) == -1) {
        log_debug("a client's frame: %s", err->msg);
        return false;
    }
    if (*consumed == 0)
        return true;
    switch (frame.kind) {
    case SPDY_OPENED:
        open_stream(self, frame.id, &out);
        break;
    case SPDY_PINGED: /* the even ones are answers to ours */
        if (frame.id % 2 == 1)
            spdy_format_ping(frame.id, &out);
        break;
    case SPDY_DATA:
    case SPDY_RESET:
        take_data(self, &frame);
        break;
    case SPDY_GOODBYE:
        return false;
    case SPDY_NOTHING:
        break;
    }
    return out.len == 0 || send_buf(wire, &out);
}

static bool spdy_send(struct exec_wire *wire, enum exec_channel channel, const void *data,
                      size_t len)
{
    CLEANUP(buf) struct buf out = BUF_INIT(len + DATA_HEAD);

    spdy_format_data(spdy_of(wire)->streams[channel], data, len, false, &out);
    return send_buf(wire, &out);
}

static bool spdy_ping(struct exec_wire *wire)
{
    CLEANUP(buf) struct buf out = BUF_INIT(MAX_CONTROL);
    struct spdy_wire *self = spdy_of(wire);

    self->next_ping += 2;
    spdy_format_ping(self->next_ping, &out);
    return send_buf(wire, &out);
}

static void spdy_end(struct exec_wire *wire)
{
    CLEANUP(buf) struct buf out = BUF_INIT(MAX_CONTROL);
    static const enum exec_channel ours[] = {EXEC_STDOUT, EXEC_STDERR, EXEC_ERROR};
    struct spdy_wire *self = spdy_of(wire);
    uint32_t last = 0;

    for (size_t i = 0; i < ARRAY_SIZE(ours); i++)
        if (self->streams[ours[i]] != 0)
            spdy_format_data(self->streams[ours[i]], "", 0, true, &out);
    for (size_t i = 0; i < EXEC_CHANNELS; i++)
        last = self->streams[i] > last ? self->streams[i] : last;
    spdy_format_goodbye(last, &out);
    send_buf(wire, &out);
}

static void spdy_wire_free(struct exec_wire *wire)
{
    spdy_free(spdy_of(wire)->spdy);
    free(wire);
}

static const struct exec_wire_ops spdy_ops = {
    .is_open = spdy_is_open,
    .take_frame = spdy_take_frame,
    .send = spdy_send,
    .ping = spdy_ping,
    .end = spdy_end,
    .free = spdy_wire_free,
};

struct exec_wire *exec_spdy_accept(struct call *call)
{
    const char *protocol = NULL;

    if (!spdy_accept(call->request, call->response, protocols, &protocol))
        return NULL;
    struct spdy_wire *self = xcalloc(1, sizeof(*self));
    self->wire.ops = &spdy_ops;
    self->spdy = spdy_new();
    return &self->wire;
}
