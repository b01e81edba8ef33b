/* pods/NAME/exec.
 *
 *     client ──exec_wire──▶ this thread ──pipes──▶ the backend's command, started by a thread of
 * its own ◀──exec_wire──             ◀──pipes──
 *
 * All that travels is read and written by this one thread.  The end is a Status on the error
 * channel: the command's exit code, or why it did not run.
 */
#include "apiserver/special.h"

#define LOG_COMPONENT "exec"

#include "apiserver/exec_wire.h"
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

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    MAX_WORDS = 4096,
    MAX_PENDING = 2 * 1024 * 1024, /* input that the command has not read yet */
    MAX_PIECE_IN = 1024 * 1024,    /* of it, in one frame */
    PIECE = 16 * 1024,
    PING_MS = 30 * 1000,
    DRAIN_MS = 1000, /* for output behind the command's end, if a child of it holds the pipe */
};

struct exec {
    struct call *call;
    struct exec_wire *wire;
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
    struct buf pending; /* for the command's input */
    bool input_closed;  /* the client ends the input once pending is written */
};

static void close_end(int *fd)
{
    cleanup_fd(fd);
    *fd = -1;
}

/* --- The command's thread
 * --------------------------------------------------------------------------- */

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

/* --- From the client
 * ----------------------------------------------------------------------------------- */

/* {"Width":80,"Height":24} as the line "80x24". */
static void resize(struct exec *exec, const char *data, size_t len)
{
    CLEANUP(error) struct error *ignored = NULL; /* a size that does not parse is no size */
    json_auto_t *size = obj_parse(data, len, &ignored);
    CLEANUP(str)
    char *line = xasprintf("%" PRId64 "x%" PRId64 "\n", obj_int(size, "Width", 0),
                           obj_int(size, "Height", 0));

    if (size != NULL && exec->resize_end[1] >= 0 &&
        write(exec->resize_end[1], line, strlen(line)) < 0)
        log_debug("a terminal's size was lost: errno=%d", errno);
}

static void take(void *arg, enum exec_channel channel, const char *data, size_t len, bool is_last)
{
    struct exec *exec = arg;

    if (channel == EXEC_STDIN && !exec->input_closed) {
        buf_append(&exec->pending, data, len);
        exec->input_closed = is_last;
    } else if (channel == EXEC_RESIZE && len > 0) {
        resize(exec, data, len);
    }
}

static bool read_client(struct exec *exec)
{
    do {
        if (!exec_wire_read(exec->wire))
            return false;
    } while (exec_wire_has(exec->wire) && exec->pending.len < MAX_PENDING / 2);
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

/* --- To the client
 * --------------------------------------------------------------------------------------- */

/* Sends what a pipe holds; at its end *FD becomes -1. */
static bool forward(struct exec *exec, int *fd, enum exec_channel channel)
{
    char piece[PIECE];
    ssize_t n = read(*fd, piece, sizeof(piece));

    if (n > 0)
        return exec_wire_send(exec->wire, channel, piece, (size_t)n);
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
    CLEANUP(str)
    char *message =
        xasprintf("command terminated with non-zero exit code: exit status %d", exec->exit_code);
    return obj_pack("{s:{}, s:s, s:s, s:s, s:{s:[{s:s, s:s}]}}", "metadata", "status", "Failure",
                    "message", message, "reason", "NonZeroExitCode", "details", "causes", "reason",
                    "ExitCode", "message", code);
}

/* --- Both ways
 * ---------------------------------------------------------------------------------------------- */

/* One turn of the loop; false when the client is gone. */
static bool pump_once(struct exec *exec, bool is_done)
{
    bool has_room = exec->pending.len < MAX_PENDING / 2;
    struct pollfd fds[5] = {
        {.fd = has_room ? exec_wire_fd(exec->wire) : -1, .events = POLLIN},
        {.fd = exec->stdout_end[0], .events = POLLIN},
        {.fd = exec->stderr_end[0], .events = POLLIN},
        {.fd = exec->pending.len > 0 ? exec->stdin_end[1] : -1, .events = POLLOUT},
        {.fd = is_done ? -1 : cancel_fd(exec->done), .events = POLLIN},
    };
    bool buffered = has_room && exec_wire_has(exec->wire);
    int n = poll(fds, 5, buffered ? 0 : is_done ? DRAIN_MS / 10 : PING_MS);

    if (n == 0 && !buffered && !is_done)
        return exec_wire_ping(exec->wire);
    if ((buffered || fds[0].revents != 0) && !read_client(exec))
        return false;
    write_input(exec);
    if (fds[1].revents != 0 && !forward(exec, &exec->stdout_end[0], EXEC_STDOUT))
        return false;
    return fds[2].revents == 0 || forward(exec, &exec->stderr_end[0], EXEC_STDERR);
}

static void pump(struct exec *exec)
{
    struct deadline drain = DEADLINE_NONE;

    for (;;) {
        bool is_done = cancel_is_requested(exec->done);
        if (is_done && drain.at_ms == DEADLINE_NONE.at_ms)
            drain = deadline_after(DRAIN_MS);
        if (is_done &&
            ((exec->stdout_end[0] < 0 && exec->stderr_end[0] < 0) || deadline_is_over(drain)))
            return;
        if (!pump_once(exec, is_done)) {
            cancel_request(exec->cancel);
            return;
        }
    }
}

/* --- The request
 * ---------------------------------------------------------------------------------------------- */

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

static bool accept_wire(struct exec *exec)
{
    const struct exec_wire_options options = {
        .wants = {[EXEC_STDIN] = exec->stdin_end[1] >= 0,
                  [EXEC_STDOUT] = exec->stdout_end[0] >= 0,
                  [EXEC_STDERR] = exec->stderr_end[0] >= 0,
                  [EXEC_ERROR] = true,
                  [EXEC_RESIZE] = exec->tty},
        .take = take,
        .arg = exec,
    };

    exec->wire = exec_wire_accept(exec->call, &options);
    if (exec->wire == NULL && exec->call->failure.code != 0)
        call_answer_failure(exec->call);
    return exec->wire != NULL;
}

static void run(struct exec *exec)
{
    CLEANUP(error) struct error *err = NULL;
    struct thread thread = {0};

    if (thread_start(&thread, "exec", run_command, exec, &err) == -1) {
        exec->result = -1;
        exec->err = steal(&err);
    } else {
        pump(exec);
        close_end(&exec->stdin_end[1]);
        thread_join(&thread);
    }
    json_auto_t *status = make_status(exec);
    CLEANUP(str) char *text = obj_format(status);
    exec_wire_finish(exec->wire, text);
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
        .pending = BUF_INIT(MAX_PENDING + MAX_PIECE_IN),
        .cancel = cancel_new(),
        .done = cancel_new(),
    };

    pthread_rwlock_rdlock(&call->server->lock);
    exec.backend = call->server->backend;
    pthread_rwlock_unlock(&call->server->lock);
    if (prepare(&exec, &stored) == -1)
        call_answer_failure(call);
    else if (accept_wire(&exec))
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
    exec_wire_free(exec.wire);
    buf_reset(&exec.pending);
}
