#define LOG_COMPONENT "supervisor"

#include "node/supervisor.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/fault.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/process.h"
#include "base/text.h"
#include "base/time.h"
#include "data/obj.h"
#include "node/cgroup.h"
#include "node/container_log.h"
#include "node/forward.h"
#include "node/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    INFO_MAX = 4096,
    START_MS = 30000, /* bwrap makes the sandbox within milliseconds; a loaded machine needs more */
    DRAIN_MS = 1000,  /* for output of processes that outlive the program where no pid namespace is */
    LOCK_MS = 500,
    PIECE = 64 * 1024,
};

struct run {
    json_t *spec;
    const char *dir;
    int number;
    const char *cgroup;
    enum cgroup_version cgroup_version;
    struct sandbox_abilities abilities;
    struct process *process;
    pid_t inner; /* bwrap's child: process 1 of the container, or its program */
    int out[2];  /* read ends of its output and errors */
    int signals;
    struct container_log *log;
    json_t *state;
    bool was_killed;
};

static int write_state(const struct run *run, struct error **err)
{
    CLEANUP(str) char *path = xasprintf("%s/%d.json", run->dir, run->number);
    CLEANUP(str) char *text = obj_format(run->state);

    return file_write(path, text, strlen(text), 0600, err);
}

static int parse_spec(struct run *run, struct error **err)
{
    const char *version = obj_str(run->spec, "cgroupVersion", "none");
    int64_t number = 0;

    if (obj_need_str(run->spec, "dir", &run->dir, err) == -1 ||
        obj_need_int(run->spec, "run", &number, err) == -1 ||
        obj_need_str(run->spec, "cgroup", &run->cgroup, err) == -1)
        return -1;
    run->number = (int)number;
    run->cgroup_version = str_eq(version, "v2")   ? CGROUP_V2
                          : str_eq(version, "v1") ? CGROUP_V1
                                                  : CGROUP_NONE;
    run->abilities = (struct sandbox_abilities){
        .works = obj_bool(run->spec, "abilities.works", false),
        .pid = obj_bool(run->spec, "abilities.pid", false),
        .network = obj_bool(run->spec, "abilities.network", false),
        .ipc = obj_bool(run->spec, "abilities.ipc", false),
        .user = obj_bool(run->spec, "abilities.user", false),
        .new_proc = obj_bool(run->spec, "abilities.newProc", false),
    };
    return 0;
}

/* Takes the run's lock, which lasts as long as we.  *MINE is false if the run is another's, or
 * over.  Who only looks at the lock holds it for an instant: so it is tried for a while. */
static int take_lock(const struct run *run, bool *mine, struct error **err)
{
    CLEANUP(str) char *path = xasprintf("%s/%d.lock", run->dir, run->number);
    CLEANUP(str) char *state = xasprintf("%s/%d.json", run->dir, run->number);
    struct deadline deadline = deadline_after(LOCK_MS);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600); /* open until we end */

    if (fd == -1)
        return error_sys(err, errno, "cannot open \"%s\"", path);
    while (flock(fd, LOCK_EX | LOCK_NB) == -1) {
        if (deadline_is_over(deadline)) {
            *mine = false;
            return 0;
        }
        usleep(2000);
    }
    *mine = !file_exists(state);
    return 0;
}

/* What bwrap tells of the container once it is made. */
static int read_info(struct run *run, int info_fd, struct error **err)
{
    char text[INFO_MAX];
    size_t len = 0;
    struct deadline deadline = deadline_after(START_MS);
    struct pollfd pfd = {.fd = info_fd, .events = POLLIN};

    while (len < sizeof(text)) {
        if (poll(&pfd, 1, deadline_left_ms(deadline)) == 0)
            return error_set(err, ERROR_TIMEOUT, "sandbox not ready in %d s", START_MS / 1000);
        ssize_t got = read(info_fd, text + len, sizeof(text) - len);
        if (got == -1 && errno == EINTR)
            continue;
        if (got <= 0)
            break;
        len += (size_t)got;
    }

    json_auto_t *info = obj_parse(text, len, err);
    int64_t pid = 0;
    if (info == NULL || obj_need_int(info, "child-pid", &pid, err) == -1)
        return error_wrap(err, "no information from bwrap");
    run->inner = (pid_t)pid;
    return 0;
}

/* Without control groups only what one process may have can be limited. */
static void limit_process(const struct run *run)
{
    struct rlimit none = {0, 0};
    rlim_t memory = (rlim_t)obj_int(run->spec, "memoryBytes", 0);
    struct rlimit data = {memory, memory};

    prlimit(run->inner, RLIMIT_CORE, &none, NULL);
    if (run->cgroup_version == CGROUP_NONE && memory > 0)
        prlimit(run->inner, RLIMIT_DATA, &data, NULL);
}

static int limit(struct run *run, struct error **err)
{
    struct cgroup_limits limits = {
        .memory_bytes = (uint64_t)obj_int(run->spec, "memoryBytes", 0),
        .cpu_millis = (uint64_t)obj_int(run->spec, "cpuMillis", 0),
        .pids = (uint64_t)obj_int(run->spec, "pids", 0),
    };
    bool memory_limited = false;

    limit_process(run);
    if (cgroup_make(run->cgroup_version, run->cgroup, &limits, &memory_limited, err) == -1 ||
        cgroup_add(run->cgroup_version, run->cgroup, process_pid(run->process), err) == -1 ||
        cgroup_add(run->cgroup_version, run->cgroup, run->inner, err) == -1)
        return -1;
    return 0;
}

/* Puts the first line that bwrap wrote, if any, in place of what we saw of its failure. */
static int explain(const struct run *run, struct error **err)
{
    char text[512];
    struct pollfd pfd = {.fd = run->out[1], .events = POLLIN};
    ssize_t got = poll(&pfd, 1, DRAIN_MS) == 1 ? read(run->out[1], text, sizeof(text)) : 0;
    struct span rest = {text, got > 0 ? (size_t)got : 0}, line = {0};

    if (span_split(&rest, '\n', &line) && line.len > 0) {
        error_clear(err);
        error_set(err, ERROR_UNAVAILABLE, "%.*s", (int)line.len, line.ptr);
    }
    return error_wrap(err, "cannot make the sandbox");
}

static int launch(struct run *run, struct sandbox_command *command, struct error **err)
{
    int out[2][2];

    if (sandbox_build(&run->abilities, obj_obj(run->spec, "container"), command, err) == -1)
        return -1;
    for (int i = 0; i < 2; i++) {
        if (pipe2(out[i], O_CLOEXEC) == -1)
            return error_sys(err, errno, "cannot make a pipe");
        run->out[i] = out[i][0];
    }
    str_list_push(&command->argv, NULL);

    struct process_options options = {
        .argv = (const char *const *)command->argv.ptr,
        .stdout_fd = out[0][1],
        .stderr_fd = out[1][1],
        .keep_fds = command->fds,
        .keep_count = command->fd_count,
        .die_with_us = true,
    };
    int result = process_start(&options, &run->process, err);
    close(out[0][1]);
    close(out[1][1]);
    for (size_t i = 0; i < command->fd_count; i++) /* else the pipes never end */
        close(command->fds[i]);
    command->fd_count = 0;
    return result;
}

/* Sets what applies to the container while it waits to be let go. */
static int admit(struct run *run, struct error **err)
{
    uint16_t port = (uint16_t)obj_int(run->spec, "apiPort", 0);

    if (limit(run, err) == -1)
        return -1;
    if (port != 0 && run->abilities.network &&
        str_eq(obj_str(run->spec, "container.network", "none"), "api") &&
        forward_start(run->inner, port, err) == -1)
        return -1;
    obj_put_int(run->state, "pid", run->inner);
    obj_put_int(run->state, "startedAt", time_now_ms());
    return write_state(run, err);
}

static int start_program(struct run *run, struct error **err)
{
    CLEANUP(sandbox_command) struct sandbox_command command = {0};

    if (launch(run, &command, err) == -1)
        return -1;
    if (read_info(run, command.info_fd, err) == -1)
        return explain(run, err);
    if (admit(run, err) == -1) {
        kill(run->inner, SIGKILL);
        return explain(run, err);
    }
    return 0; /* closing block_fd lets the program go */
}

static void take_signal(struct run *run)
{
    struct signalfd_siginfo info;

    if (read(run->signals, &info, sizeof(info)) != sizeof(info))
        return;
    if (info.ssi_signo == SIGUSR1) {
        run->was_killed = true;
        kill(run->inner, SIGKILL);
    } else if (info.ssi_signo == SIGTERM) {
        kill(sandbox_program_of(run->inner), SIGTERM);
    }
}

/* Takes a piece of output; closes the pipe at its end. */
static void take_output(struct run *run, int stream)
{
    static char piece[PIECE];
    CLEANUP(error) struct error *err = NULL;
    ssize_t got = read(run->out[stream], piece, sizeof(piece));

    if (got == -1 && (errno == EINTR || errno == EAGAIN))
        return;
    if (got <= 0) {
        close(steal_fd(&run->out[stream]));
        return;
    }
    /* A full disk must not stop the container: its output is lost, how it ends is not. */
    if (container_log_add(run->log, stream == 0 ? LOG_STDOUT : LOG_STDERR, piece, (size_t)got,
                          &err) == -1)
        log_write_error(LOG_LEVEL_WARN, LOG_COMPONENT, err, "output lost");
}

/* Carries output and signals until the program has ended. */
static int watch_over(struct run *run)
{
    CLEANUP(fd) int pidfd = (int)syscall(SYS_pidfd_open, process_pid(run->process), 0);
    int status = 0;

    for (;;) {
        struct pollfd fds[] = {
            {.fd = run->out[0], .events = POLLIN},
            {.fd = run->out[1], .events = POLLIN},
            {.fd = run->signals, .events = POLLIN},
            {.fd = pidfd, .events = POLLIN},
        };

        poll(fds, 4, pidfd == -1 ? 50 : -1);
        for (int i = 0; i < 2; i++)
            if (fds[i].revents != 0)
                take_output(run, i);
        if (fds[2].revents != 0)
            take_signal(run);
        if (fds[3].revents == 0 && pidfd != -1)
            continue;
        if (process_wait(run->process, (struct deadline){0}, NULL, &status))
            return status;
    }
}

/* What was written before the end but not read yet. */
static void drain(struct run *run)
{
    struct deadline deadline = deadline_after(DRAIN_MS);

    while (run->out[0] != -1 || run->out[1] != -1) {
        struct pollfd fds[] = {{.fd = run->out[0], .events = POLLIN},
                               {.fd = run->out[1], .events = POLLIN}};

        if (poll(fds, 2, deadline_left_ms(deadline)) <= 0)
            return;
        for (int i = 0; i < 2; i++)
            if (fds[i].revents != 0)
                take_output(run, i);
    }
}

static void finish(struct run *run, int status)
{
    int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    bool out_of_memory = code != 0 && cgroup_was_out_of_memory(run->cgroup_version, run->cgroup);
    CLEANUP(error) struct error *err = NULL;

    if (run->was_killed)
        code = 128 + SIGKILL;
    cgroup_remove(run->cgroup_version, run->cgroup);
    drain(run);
    container_log_close(steal(&run->log));
    obj_put_int(run->state, "finishedAt", time_now_ms());
    obj_put_int(run->state, "exitCode", code);
    if (code > 128 && code < 128 + 65)
        obj_put_int(run->state, "signal", code - 128);
    obj_put_str(run->state, "reason",
                out_of_memory ? "OOMKilled"
                : code == 0   ? "Completed"
                              : "Error");
    if (fault("supervisor.finish"))
        return;
    if (write_state(run, &err) == -1)
        log_write_error(LOG_LEVEL_ERROR, LOG_COMPONENT, err, "cannot record the end of a container");
}

static int prepare(struct run *run, bool *mine, struct error **err)
{
    CLEANUP(str) char *log_path = NULL;
    sigset_t set;

    if (take_lock(run, mine, err) == -1)
        return -1;
    if (!*mine)
        return 0;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGUSR1);
    if (sigprocmask(SIG_BLOCK, &set, NULL) == -1)
        return error_sys(err, errno, "cannot block signals");
    run->signals = signalfd(-1, &set, SFD_CLOEXEC);
    if (run->signals == -1)
        return error_sys(err, errno, "cannot receive signals");
    /* Where there is no pid namespace, what the program leaves behind becomes ours. */
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    log_path = xasprintf("%s/%d.log", run->dir, run->number);
    run->log = container_log_open(log_path, err);
    if (run->log == NULL)
        return -1;
    run->state = obj_pack("{s:i,s:s,s:s}", "supervisorPid", (int)getpid(), "cgroup", run->cgroup,
                          "cgroupVersion", cgroup_version_name(run->cgroup_version));
    return fault("supervisor.start") ? error_sys(err, EIO, "cannot start") : 0;
}

/* The child in the background.  Tells READY_FD "ok" or an error's text. */
static int background(struct run *run, int ready_fd)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(error) struct error *ignored = NULL; /* the agent that waits has died */
    bool mine = true;

    setsid();
    if (prepare(run, &mine, &err) == -1 || (mine && start_program(run, &err) == -1)) {
        CLEANUP(str) char *text = error_format(err);

        fd_write_all(ready_fd, text, strlen(text), "answer", &ignored);
        process_free(run->process);
        cgroup_remove(run->cgroup_version, run->cgroup);
        return 1;
    }
    fd_write_all(ready_fd, "ok", 2, "answer", &ignored);
    close(ready_fd);
    if (!mine)
        return 0;

    CLEANUP(fd) int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int i = 0; i < 3; i++)
        dup2(null_fd, i);
    finish(run, watch_over(run));
    process_free(run->process);
    json_decref(run->state);
    json_decref(run->spec);
    return 0;
}

static char *read_all(int fd, size_t max, size_t *len, struct error **err)
{
    CLEANUP(buf) struct buf text = BUF_INIT(max);

    for (;;) {
        char *room = buf_reserve(&text, PIECE);

        if (room == NULL) {
            error_set(err, ERROR_INVALID, "more than %zu bytes", max);
            return NULL;
        }
        ssize_t got = read(fd, room, PIECE);
        if (got == -1 && errno == EINTR)
            continue;
        if (got == -1) {
            error_sys(err, errno, "cannot read");
            return NULL;
        }
        if (got == 0)
            break;
        buf_extend(&text, (size_t)got);
    }
    *len = text.len;
    return buf_take(&text);
}

int supervisor_start(int in_fd, struct error **err)
{
    struct run run = {.out = {-1, -1}, .signals = -1};
    size_t len = 0;
    CLEANUP(str) char *text = read_all(in_fd, SUPERVISOR_SPEC_MAX, &len, err);
    int ready[2];

    if (text == NULL)
        return error_wrap(err, "description of the container");
    run.spec = obj_parse(text, len, err);
    explicit_bzero(text, len);
    if (run.spec == NULL || parse_spec(&run, err) == -1) {
        json_decref(run.spec);
        return error_wrap(err, "description of the container");
    }
    if (pipe2(ready, O_CLOEXEC) == -1)
        return error_sys(err, errno, "cannot make a pipe");

    pid_t pid = fork();
    if (pid == 0) {
        close(ready[0]);
        _exit(background(&run, ready[1]));
    }
    close(ready[1]);
    json_decref(run.spec);
    CLEANUP(fd) int ready_fd = ready[0];
    if (pid == -1)
        return error_sys(err, errno, "cannot fork");

    CLEANUP(str) char *answer = read_all(ready_fd, INFO_MAX + 2 * PIECE, &len, err);
    if (answer == NULL)
        return -1;
    if (!str_eq(answer, "ok"))
        return error_set(err, ERROR_UNAVAILABLE, "%s", len > 0 ? answer : "the supervisor was killed");
    return 0;
}
