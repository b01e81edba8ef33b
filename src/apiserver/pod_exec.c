/* pods/NAME/exec over a WebSocket (v5 and v4.channel.k8s.io).
 *
 *     client ──frames──▶ this thread ──pipes──▶ the backend's command, started by a thread of its own
 *            ◀──frames──             ◀──pipes──
 *
 * The first byte of a frame is its channel.  All frames are read and written by this one thread.
 * The end is a Status on the error channel: the command's exit code, or why it did not run.
 */
#include "apiserver/special.h"

#define LOG_COMPONENT "exec"

#include "apiserver/server.h"
#include "apiserver/write.h"
#include "base/cancel.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/time.h"
#include "data/obj.h"
#include "net/websocket.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    CHANNEL_STDIN = 0,
    CHANNEL_STDOUT = 1,
    CHANNEL_STDERR = 2,
    CHANNEL_ERROR = 3,
    CHANNEL_RESIZE = 4,
    CHANNEL_CLOSE = 255, /* v5: the next byte's channel ends */
    MAX_WORDS = 4096,
    MAX_PENDING = 2 * 1024 * 1024, /* input that the command has not read yet */
    PIECE = 16 * 1024,
    PING_MS = 30 * 1000,
    DRAIN_MS = 1000, /* for output behind the command's end, if a child of it holds the pipe */
};

static const char *const protocols[] = {"v5.channel.k8s.io", "v4.channel.k8s.io", NULL};

struct exec {
    struct call *call;
    struct apiserver_backend backend;
    json_t *pod;
    const char *container;
    struct str_list command; /* with a NULL at the end once it runs */
    bool tty;
    int stdin_end[2], stdout_end[2], stderr_end[2], resize_end[2]; /* read, write; -1: none */
    struct cancel *cancel, *done;
    int exit_code;
    int result;
    struct error *err;
    struct buf frames;  /* received, not taken apart */
    struct buf pending; /* for the command's input */
    bool input_closed;  /* the client ends the input once pending is written */
};

static void close_end(int *fd)
{
    cleanup_fd(fd);
    *fd = -1;
}

/* --- The command's thread --------------------------------------------------------------------------- */

static void *run_command(void *arg)
{
    struct exec *exec = arg;
    int err_fd = exec->tty ? exec->stdout_end[1] : exec->stderr_end[1];

    exec->result = exec->backend.pod_exec(
        exec->backend.arg, exec->pod, exec->container, (const char *const *)exec->command.ptr,
        exec->stdin_end[0], exec->stdout_end[1], err_fd, exec->tty, exec->resize_end[0],
        exec->cancel, &exec->exit_code, &exec->err);
    close_end(&exec->stdin_end[0]);
    close_end(&exec->stdout_end[1]);
    close_end(&exec->stderr_end[1]);
    close_end(&exec->resize_end[0]);
    cancel_request(exec->done);
    return NULL;
}

/* --- From the client ----------------------------------------------------------------------------------- */

/* {"Width":80,"Height":24} as the line "80x24". */
static void resize(struct exec *exec, const char *data, size_t len)
{
    CLEANUP(error) struct error *ignored = NULL; /* a size that does not parse is no size */
    json_auto_t *size = obj_parse(data, len, &ignored);
    CLEANUP(str) char *line = xasprintf("%" PRId64 "x%" PRId64 "\n", obj_int(size, "Width", 0),
                                        obj_int(size, "Height", 0));

    if (size != NULL && exec->resize_end[1] >= 0 &&
        write(exec->resize_end[1], line, strlen(line)) < 0)
        log_debug("a terminal's size was lost: errno=%d", errno);
}

static bool take_data(struct exec *exec, const struct websocket_frame *frame)
{
    if (frame->len == 0)
        return true;
    unsigned char channel = (unsigned char)frame->data[0];
    if (channel == CHANNEL_STDIN && !exec->input_closed)
        buf_append(&exec->pending, frame->data + 1, frame->len - 1);
    else if (channel == CHANNEL_RESIZE)
        resize(exec, frame->data + 1, frame->len - 1);
    else if (channel == CHANNEL_CLOSE && frame->len > 1 && frame->data[1] == CHANNEL_STDIN)
        exec->input_closed = true;
    return true;
}

/* False when the client ends the connection. */
static bool take_frame(struct exec *exec, const struct websocket_frame *frame)
{
    if (frame->opcode == WEBSOCKET_CLOSE)
        return false;
    if (frame->opcode == WEBSOCKET_PING)
        return websocket_send(exec->call->response, WEBSOCKET_PONG, frame->data, frame->len);
    return frame->opcode == WEBSOCKET_PONG || take_data(exec, frame);
}

static bool take_frames(struct exec *exec)
{
    struct websocket_frame frame;
    size_t consumed = 0, taken = 0;
    bool go_on = true;

    while (go_on) {
        CLEANUP(error) struct error *err = NULL;
        if (websocket_parse(exec->frames.ptr + taken, exec->frames.len - taken, &frame, &consumed,
                            &err) == -1) {
            log_debug("a client's frame: %s", err->msg);
            return false;
        }
        if (consumed == 0)
            break;
        taken += consumed;
        go_on = take_frame(exec, &frame);
    }
    memmove(exec->frames.ptr, exec->frames.ptr + taken, exec->frames.len - taken);
    exec->frames.len -= taken;
    return go_on;
}

static bool read_client(struct exec *exec)
{
    do {
        char *room = buf_reserve(&exec->frames, PIECE);
        if (room == NULL)
            return false;
        ssize_t n = http_response_read_raw(exec->call->response, room, PIECE, 0);
        if (n == 0)
            return false;
        if (n < 0)
            return true;
        buf_extend(&exec->frames, (size_t)n);
        if (!take_frames(exec))
            return false;
    } while (http_response_has_raw(exec->call->response) && exec->pending.len < MAX_PENDING / 2);
    return true;
}

static void write_input(struct exec *exec)
{
    if (exec->pending.len > 0 && exec->stdin_end[1] >= 0) {
        ssize_t n = write(exec->stdin_end[1], exec->pending.ptr, exec->pending.len);
        if (n < 0 && errno != EAGAIN && errno != EINTR) {
            close_end(&exec->stdin_end[1]); /* nobody reads it any more */
        } else if (n > 0) {
            memmove(exec->pending.ptr, exec->pending.ptr + n, exec->pending.len - (size_t)n);
            exec->pending.len -= (size_t)n;
        }
    }
    if (exec->stdin_end[1] < 0)
        buf_clear(&exec->pending);
    if (exec->input_closed && exec->pending.len == 0)
        close_end(&exec->stdin_end[1]);
}

/* --- To the client --------------------------------------------------------------------------------------- */

static bool send_channel(struct exec *exec, char channel, const void *data, size_t len)
{
    CLEANUP(buf) struct buf frame = BUF_INIT(WEBSOCKET_MAX_FRAME);

    buf_add_char(&frame, channel);
    buf_append(&frame, data, len);
    return websocket_send(exec->call->response, WEBSOCKET_BINARY, frame.ptr, frame.len);
}

/* Sends what a pipe holds; at its end *FD becomes -1. */
static bool forward(struct exec *exec, int *fd, char channel)
{
    char piece[PIECE];
    ssize_t n = read(*fd, piece, sizeof(piece));

    if (n > 0)
        return send_channel(exec, channel, piece, (size_t)n);
    if (n == 0 || (errno != EAGAIN && errno != EINTR))
        close_end(fd);
    return true;
}

static json_t *make_status(const struct exec *exec)
{
    if (exec->result == -1) {
        CLEANUP(failure) struct failure failure = {0};
        fail_error(&failure, exec->err);
        return json_incref(failure.status);
    }
    if (exec->exit_code == 0)
        return obj_pack("{s:{}, s:s}", "metadata", "status", "Success");
    CLEANUP(str) char *code = xasprintf("%d", exec->exit_code);
    CLEANUP(str) char *message =
        xasprintf("command terminated with non-zero exit code: exit status %d", exec->exit_code);
    return obj_pack("{s:{}, s:s, s:s, s:s, s:{s:[{s:s, s:s}]}}", "metadata", "status", "Failure",
                    "message", message, "reason", "NonZeroExitCode", "details", "causes", "reason",
                    "ExitCode", "message", code);
}

static void send_end(struct exec *exec)
{
    json_auto_t *status = make_status(exec);
    CLEANUP(str) char *text = obj_format(status);
    static const char normal[2] = {0x03, (char)0xe8}; /* 1000 */

    if (send_channel(exec, CHANNEL_ERROR, text, strlen(text)))
        websocket_send(exec->call->response, WEBSOCKET_CLOSE, normal, sizeof(normal));
}

/* --- Both ways ---------------------------------------------------------------------------------------------- */

/* One turn of the loop; false when the client is gone. */
static bool pump_once(struct exec *exec, bool is_done)
{
    struct http_response *response = exec->call->response;
    bool has_room = exec->pending.len < MAX_PENDING / 2;
    struct pollfd fds[5] = {
        {.fd = has_room ? http_response_raw_fd(response) : -1, .events = POLLIN},
        {.fd = exec->stdout_end[0], .events = POLLIN},
        {.fd = exec->stderr_end[0], .events = POLLIN},
        {.fd = exec->pending.len > 0 ? exec->stdin_end[1] : -1, .events = POLLOUT},
        {.fd = is_done ? -1 : cancel_fd(exec->done), .events = POLLIN},
    };
    bool buffered = has_room && http_response_has_raw(response);
    int n = poll(fds, 5, buffered ? 0 : is_done ? DRAIN_MS / 10 : PING_MS);

    if (n == 0 && !buffered && !is_done)
        return websocket_send(response, WEBSOCKET_PING, "", 0);
    if ((buffered || fds[0].revents != 0) && !read_client(exec))
        return false;
    write_input(exec);
    if (fds[1].revents != 0 && !forward(exec, &exec->stdout_end[0], CHANNEL_STDOUT))
        return false;
    return fds[2].revents == 0 || forward(exec, &exec->stderr_end[0], CHANNEL_STDERR);
}

static void pump(struct exec *exec)
{
    struct deadline drain = DEADLINE_NONE;

    for (;;) {
        bool is_done = cancel_is_requested(exec->done);
        if (is_done && drain.at_ms == DEADLINE_NONE.at_ms)
            drain = deadline_after(DRAIN_MS);
        if (is_done && ((exec->stdout_end[0] < 0 && exec->stderr_end[0] < 0) ||
                        deadline_is_over(drain)))
            return;
        if (!pump_once(exec, is_done)) {
            cancel_request(exec->cancel);
            return;
        }
    }
}

/* --- The request ---------------------------------------------------------------------------------------------- */

static bool add_word(void *arg, const char *name, const char *value)
{
    struct exec *exec = arg;

    if (str_eq(name, "command") && exec->command.len < MAX_WORDS)
        str_list_push(&exec->command, xstrdup(value));
    return true;
}

/* A pipe whose end for us does not block; where it is not wanted, the command gets /dev/null. */
static int open_pipe(int ends[2], bool wanted, int ours, struct error **err)
{
    if (!wanted) {
        ends[1 - ours] = open("/dev/null", O_RDWR | O_CLOEXEC);
        return ends[1 - ours] < 0 ? error_sys(err, errno, "cannot open /dev/null") : 0;
    }
    if (pipe2(ends, O_CLOEXEC) == -1)
        return error_sys(err, errno, "cannot make a pipe");
    return fd_set_nonblocking(ends[ours], err);
}

static int open_pipes(struct exec *exec, struct error **err)
{
    struct call *call = exec->call;

    if (open_pipe(exec->stdin_end, call_query_bool(call, "stdin"), 1, err) == -1 ||
        open_pipe(exec->stdout_end, call_query_bool(call, "stdout"), 0, err) == -1 ||
        open_pipe(exec->stderr_end, call_query_bool(call, "stderr") && !exec->tty, 0, err) == -1)
        return -1;
    return exec->tty ? open_pipe(exec->resize_end, true, 1, err) : 0;
}

static void close_pipe(int ends[2])
{
    close_end(&ends[0]);
    close_end(&ends[1]);
}

static int prepare(struct exec *exec, struct object **stored)
{
    CLEANUP(error) struct error *err = NULL;
    struct call *call = exec->call;
    CLEANUP(str) char *wanted = http_request_query(call->request, "container");

    *stored = store_get(call->served->table, call->ns, call->name);
    if (*stored == NULL)
        return write_fail_missing(call);
    if (exec->backend.pod_exec == NULL)
        return fail(&call->failure, 501, "NotImplemented",
                    "no node agent is there to run commands in pods");
    exec->pod = object_parse(*stored);
    exec->container = special_find_container(call, exec->pod, wanted);
    if (exec->container == NULL)
        return -1;
    http_query_each(call->request->query, add_word, exec);
    if (exec->command.len == 0)
        return fail_bad_request(&call->failure, "you must specify at least one command");
    str_list_push(&exec->command, NULL);
    exec->tty = call_query_bool(call, "tty");
    return open_pipes(exec, &err) == -1 ? fail_error(&call->failure, err) : 0;
}

static void run(struct exec *exec)
{
    CLEANUP(error) struct error *err = NULL;
    struct thread thread = {0};
    const char *protocol = NULL;

    if (!websocket_accept(exec->call->request, exec->call->response, protocols, &protocol)) {
        if (!http_response_is_started(exec->call->response)) {
            fail_bad_request(&exec->call->failure, "exec needs a WebSocket upgrade with the "
                                                   "protocol v5.channel.k8s.io or "
                                                   "v4.channel.k8s.io (kubectl 1.30 or newer)");
            call_answer_failure(exec->call);
        }
        return;
    }
    if (thread_start(&thread, "exec", run_command, exec, &err) == -1) {
        exec->result = -1;
        exec->err = steal(&err);
    } else {
        pump(exec);
        close_end(&exec->stdin_end[1]);
        thread_join(&thread);
    }
    send_end(exec);
}

void special_exec(struct call *call)
{
    CLEANUP(object) struct object *stored = NULL;
    struct exec exec = {
        .call = call,
        .stdin_end = {-1, -1},
        .stdout_end = {-1, -1},
        .stderr_end = {-1, -1},
        .resize_end = {-1, -1},
        .frames = BUF_INIT(WEBSOCKET_MAX_FRAME + 2 * PIECE),
        .pending = BUF_INIT(MAX_PENDING + WEBSOCKET_MAX_FRAME),
        .cancel = cancel_new(),
        .done = cancel_new(),
    };

    pthread_rwlock_rdlock(&call->server->lock);
    exec.backend = call->server->backend;
    pthread_rwlock_unlock(&call->server->lock);
    if (prepare(&exec, &stored) == -1)
        call_answer_failure(call);
    else
        run(&exec);
    close_pipe(exec.stdin_end);
    close_pipe(exec.stdout_end);
    close_pipe(exec.stderr_end);
    close_pipe(exec.resize_end);
    str_list_free_all(&exec.command);
    json_decref(exec.pod);
    error_free(exec.err);
    cancel_free(exec.cancel);
    cancel_free(exec.done);
    buf_reset(&exec.frames);
    buf_reset(&exec.pending);
}
