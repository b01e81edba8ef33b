/* virtualmachineinstances/NAME/console: the machine's serial line over a WebSocket.
 *
 * Frames of the client, text or binary, are what is typed; what the machine writes comes in binary
 * frames.  (plain.kubevirt.io, or no subprotocol at all.) */
#include "apiserver/special.h"

#define LOG_COMPONENT "console"

#include "apiserver/call.h"
#include "apiserver/server.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "base/time.h"
#include "net/websocket.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

enum { PIECE = 16 * 1024, MAX_TYPED = WEBSOCKET_MAX_FRAME, PING_MS = 30 * 1000 };

struct console {
    struct http_response *response;
    int fd;              /* of the machine's line; does not block */
    struct buf received; /* of the client, not taken apart yet */
    struct buf typed;    /* for the machine, which has not taken it yet */
};

/* False when the client is gone. */
static bool take_frame(struct console *console, const struct websocket_frame *frame)
{
    switch (frame->opcode) {
    case WEBSOCKET_CLOSE:
        return false;
    case WEBSOCKET_PING:
        return websocket_send(console->response, WEBSOCKET_PONG, frame->data, frame->len);
    case WEBSOCKET_PONG:
        return true;
    case WEBSOCKET_CONTINUATION:
    case WEBSOCKET_TEXT:
    case WEBSOCKET_BINARY:
        buf_append(&console->typed, frame->data, frame->len);
        return !console->typed.full;
    }
    return true;
}

static bool read_client(struct console *console)
{
    struct buf *received = &console->received;
    char *room = buf_reserve(received, PIECE);
    ssize_t n = room == NULL ? 0 : http_response_read_raw(console->response, room, PIECE, 0);
    size_t taken = 0, consumed = 0;
    bool go_on = true;

    if (n <= 0)
        return n < 0;
    buf_extend(received, (size_t)n);
    do {
        CLEANUP(error) struct error *err = NULL;
        struct websocket_frame frame;
        if (websocket_parse(received->ptr + taken, received->len - taken, &frame, &consumed,
                            &err) == -1)
            return false;
        taken += consumed;
        go_on = consumed == 0 || take_frame(console, &frame);
    } while (go_on && consumed > 0);
    memmove(received->ptr, received->ptr + taken, received->len - taken);
    received->len -= taken;
    return go_on;
}

/* False at the end of the line. */
static bool type_on(struct console *console)
{
    struct buf *typed = &console->typed;
    ssize_t n = write(console->fd, typed->ptr, typed->len);

    if (n < 0)
        return errno == EAGAIN || errno == EINTR;
    memmove(typed->ptr, typed->ptr + n, typed->len - (size_t)n);
    typed->len -= (size_t)n;
    return true;
}

static bool show(struct console *console)
{
    char piece[PIECE];
    ssize_t n = read(console->fd, piece, sizeof(piece));

    if (n > 0)
        return websocket_send(console->response, WEBSOCKET_BINARY, piece, (size_t)n);
    return n < 0 && (errno == EAGAIN || errno == EINTR);
}

/* One turn; false when either side is gone. */
static bool pump_once(struct console *console)
{
    bool has_room = console->typed.len < MAX_TYPED / 2;
    bool buffered = has_room && http_response_has_raw(console->response);
    struct pollfd fds[2] = {
        {.fd = has_room ? http_response_raw_fd(console->response) : -1, .events = POLLIN},
        {.fd = console->fd, .events = (short)(POLLIN | (console->typed.len > 0 ? POLLOUT : 0))},
    };
    int n = poll(fds, 2, buffered ? 0 : PING_MS);

    if (n == 0 && !buffered)
        return websocket_send(console->response, WEBSOCKET_PING, "", 0);
    if ((buffered || fds[0].revents != 0) && !read_client(console))
        return false;
    if ((fds[1].revents & (POLLIN | POLLHUP | POLLERR)) != 0 && !show(console))
        return false;
    return console->typed.len == 0 || type_on(console);
}

static int open_line(struct call *call, struct error **err)
{
    struct apiserver_backend backend;

    pthread_rwlock_rdlock(&call->server->lock);
    backend = call->server->backend;
    pthread_rwlock_unlock(&call->server->lock);
    if (backend.vm_console == NULL)
        return error_set(err, ERROR_UNSUPPORTED, "no node agent is there to run virtual machines");
    return backend.vm_console(backend.arg, call->ns, call->name, err);
}

void special_vm_console(struct call *call)
{
    static const char *const protocols[] = {"plain.kubevirt.io", NULL};
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(fd) int fd = open_line(call, &err);
    struct console console = {
        .response = call->response,
        .fd = fd,
        .received = BUF_INIT(WEBSOCKET_MAX_FRAME + 2 * PIECE),
        .typed = BUF_INIT(2 * MAX_TYPED),
    };

    if (fd == -1) {
        if (err->code == ERROR_NOT_FOUND)
            fail_not_found(&call->failure, "kubevirt.io", call->plural, call->name);
        else
            fail_error(&call->failure, err);
        call_answer_failure(call);
        return;
    }
    const char *offered = http_request_header(call->request, "Sec-WebSocket-Protocol");
    if (!websocket_accept(call->request, call->response, offered == NULL ? NULL : protocols,
                          &offered)) {
        fail_bad_request(&call->failure, "a console needs an upgrade to a WebSocket with the "
                                         "protocol plain.kubevirt.io, or with none");
        call_answer_failure(call);
        return;
    }
    log_info("console opened: id=%s user=%s machine=%s/%s", call->id, call->user->name, call->ns,
             call->name);
    while (pump_once(&console))
        continue;
    websocket_send(call->response, WEBSOCKET_CLOSE, "", 0);
    buf_reset(&console.received);
    buf_reset(&console.typed);
}
