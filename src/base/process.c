/* vfork and exec by hand rather than posix_spawn: the child must leave the signal mask, the session
 * and the descriptors in a known state, and tell us through a close-on-exec pipe why exec failed.
 * Not fork: it copies the page tables of everything that we hold, which with 100 MB takes 18 times
 * as long as starting the program does.
 *
 * Until exec the child runs in our memory while the starting thread waits, and beside our other
 * threads, which may hold locks: it makes only async-signal-safe calls and leaves no trace but errno.
 * Signals stay blocked until their handlers, which are ours, are gone. */
#include "base/process.h"

#include "base/cancel.h"
#include "base/error.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { KEEP_MAX = 16 };

struct process {
    pid_t pid;
    int pidfd; /* -1 where the kernel has none */
    bool own_group;
    bool reaped;
    int status;
};

/* Everything the child needs, found out before vfork. */
struct plan {
    char *program;
    const struct process_options *options;
    int report_fd;
    pid_t parent;
};

/* Looks NAME up in PATH. */
static char *find_program(const char *name, struct error **err)
{
    if (strchr(name, '/') != NULL)
        return xstrdup(name);

    const char *path = getenv("PATH");
    struct span rest = span_of(path == NULL ? "/usr/bin:/bin" : path), dir;

    while (span_split(&rest, ':', &dir)) {
        char *full = xasprintf("%.*s/%s", (int)dir.len, dir.ptr, name);

        if (dir.len > 0 && access(full, X_OK) == 0)
            return full;
        free(full);
    }
    error_set(err, ERROR_NOT_FOUND, "no program \"%s\" in PATH", name);
    return NULL;
}

static bool is_kept(const struct process_options *options, int fd)
{
    for (size_t i = 0; i < options->keep_count; i++)
        if (options->keep_fds[i] == fd)
            return true;
    return false;
}

static void child_fail(const struct plan *plan)
{
    int sys = errno;
    ssize_t ignored = write(plan->report_fd, &sys, sizeof(sys));

    (void)ignored;
    _exit(127);
}

static void child_set_stdio(const struct plan *plan, int null_fd)
{
    const struct process_options *options = plan->options;
    int from[3] = {options->stdin_fd, options->stdout_fd, options->stderr_fd};

    /* first above the range that is replaced, so that none overwrites another's source */
    for (int i = 0; i < 3; i++) {
        from[i] = fcntl(from[i] > 0 ? from[i] : null_fd, F_DUPFD_CLOEXEC, 3);
        if (from[i] == -1)
            child_fail(plan);
    }
    for (int i = 0; i < 3; i++)
        if (dup2(from[i], i) == -1)
            child_fail(plan);
}

/* All to SIG_DFL, past libc and sanitizers, which would take notes in our memory. */
static void reset_handlers(void)
{
    static const struct {
        uintptr_t handler, flags, restorer;
        uint64_t mask;
    } by_default; /* the kernel's struct sigaction */

    for (int sig = 1; sig < NSIG; sig++)
        if (sig != SIGKILL && sig != SIGSTOP)
            syscall(SYS_rt_sigaction, sig, &by_default, NULL, sizeof(by_default.mask));
}

static _Noreturn void child_run(const struct plan *plan, int null_fd)
{
    const struct process_options *options = plan->options;
    sigset_t none;

    reset_handlers();
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);

    if (options->new_session && setsid() == -1)
        child_fail(plan);
    if (options->die_with_us) {
        if (prctl(PR_SET_PDEATHSIG, SIGKILL) == -1)
            child_fail(plan);
        if (getppid() != plan->parent)
            _exit(127);
    }
    child_set_stdio(plan, null_fd);
    for (size_t i = 0; i < options->keep_count; i++)
        if (fcntl(options->keep_fds[i], F_SETFD, 0) == -1)
            child_fail(plan);
    /* ours are close-on-exec; this is for those of libraries that forgot */
    for (int fd = 3; fd < 1024; fd++)
        if (!is_kept(options, fd) && fd != plan->report_fd)
            fcntl(fd, F_SETFD, FD_CLOEXEC);
    if (options->cwd != NULL && chdir(options->cwd) == -1)
        child_fail(plan);

    execve(plan->program, (char *const *)(uintptr_t)options->argv,
           options->env == NULL ? environ : (char *const *)(uintptr_t)options->env);
    child_fail(plan);
    _exit(127);
}

/* A function of its own, so that the child has no variables of a caller to change. */
static __attribute__((noinline)) pid_t start_child(const struct plan *plan, int null_fd)
{
    pid_t pid = vfork();

    if (pid == 0)
        child_run(plan, null_fd);
    return pid;
}

static int wait_for_exec(int report_fd, pid_t pid, const char *program, struct error **err)
{
    int sys = 0;
    ssize_t got;

    do
        got = read(report_fd, &sys, sizeof(sys));
    while (got == -1 && errno == EINTR);
    if (got == 0)
        return 0;
    waitpid(pid, NULL, 0);
    if (got != sizeof(sys))
        return error_set(err, ERROR_BUG, "cannot learn whether \"%s\" started", program);
    return error_sys(err, sys, "cannot run \"%s\"", program);
}

int process_start(const struct process_options *options, struct process **out, struct error **err)
{
    CLEANUP(str) char *program = find_program(options->argv[0], err);
    CLEANUP(fd) int null_fd = -1;
    int report[2];

    if (program == NULL)
        return -1;
    null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null_fd == -1 || pipe2(report, O_CLOEXEC) == -1)
        return error_sys(err, errno, "cannot start \"%s\"", program);

    struct plan plan = {program, options, report[1], getpid()};
    sigset_t all, before;

    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    pid_t pid = start_child(&plan, null_fd);
    int fork_errno = errno;
    pthread_sigmask(SIG_SETMASK, &before, NULL);

    close(report[1]);
    CLEANUP(fd) int report_fd = report[0];
    if (pid == -1)
        return error_sys(err, fork_errno, "cannot start \"%s\"", program);
    if (wait_for_exec(report_fd, pid, program, err) == -1)
        return -1;

    struct process *process = xcalloc(1, sizeof(*process));

    process->pid = pid;
    process->own_group = options->new_session;
    process->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    *out = process;
    return 0;
}

pid_t process_pid(const struct process *process)
{
    return process->pid;
}

void process_kill(struct process *process, int signal)
{
    if (process->own_group)
        kill(-process->pid, signal);
    else if (!process->reaped)
        kill(process->pid, signal);
}

static bool reap(struct process *process, int flags)
{
    if (process->reaped)
        return true;

    int status;
    pid_t got;

    do
        got = waitpid(process->pid, &status, flags);
    while (got == -1 && errno == EINTR);
    if (got != process->pid)
        return false;
    process->reaped = true;
    process->status = status;
    return true;
}

bool process_wait(struct process *process, struct deadline deadline, struct cancel *cancel,
                  int *status)
{
    struct pollfd fds[2] = {{.fd = process->pidfd, .events = POLLIN},
                            {.fd = cancel == NULL ? -1 : cancel_fd(cancel), .events = POLLIN}};

    while (!reap(process, WNOHANG)) {
        if (deadline_is_over(deadline) || cancel_is_requested(cancel))
            return false;

        int left = deadline_left_ms(deadline);

        /* without pidfd, look every 10 ms */
        poll(fds, 2, process->pidfd == -1 && left > 10 ? 10 : left);
    }
    *status = process->status;
    return true;
}

void process_free(struct process *process)
{
    if (process == NULL)
        return;
    if (!process->reaped || process->own_group)
        process_kill(process, SIGKILL);
    reap(process, 0);
    if (process->pidfd != -1)
        close(process->pidfd);
    free(process);
}

void process_result_reset(struct process_result *result)
{
    free(result->out);
    free(result->errors);
    *result = (struct process_result){0};
}

/* The three pipes of process_run while the child runs. */
struct exchange {
    const char *input;
    size_t input_left;
    int in_fd;
    int fds[2]; /* its output and errors */
    struct buf bufs[2];
};

static void exchange_close(struct exchange *x)
{
    cleanup_fd(&x->in_fd);
    cleanup_fd(&x->fds[0]);
    cleanup_fd(&x->fds[1]);
    buf_reset(&x->bufs[0]);
    buf_reset(&x->bufs[1]);
}

static void exchange_write(struct exchange *x)
{
    ssize_t done = write(x->in_fd, x->input, x->input_left);

    if (done == -1 && (errno == EAGAIN || errno == EINTR))
        return;
    if (done > 0) {
        x->input += done;
        x->input_left -= (size_t)done;
    }
    /* a child that does not read its input is its own affair */
    if (done == -1 || x->input_left == 0)
        close(steal_fd(&x->in_fd));
}

static void exchange_read(struct exchange *x, int i)
{
    char piece[16384];
    ssize_t got = read(x->fds[i], piece, sizeof(piece));

    if (got == -1 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0) {
        close(steal_fd(&x->fds[i]));
        return;
    }

    size_t room = x->bufs[i].max - x->bufs[i].len;

    buf_append(&x->bufs[i], piece, (size_t)got < room ? (size_t)got : room);
}

static int exchange_loop(struct exchange *x, struct deadline deadline, struct cancel *cancel,
                         struct error **err)
{
    while (x->fds[0] != -1 || x->fds[1] != -1) {
        struct pollfd fds[4] = {{.fd = x->in_fd, .events = POLLOUT},
                                {.fd = x->fds[0], .events = POLLIN},
                                {.fd = x->fds[1], .events = POLLIN},
                                {.fd = cancel == NULL ? -1 : cancel_fd(cancel), .events = POLLIN}};

        if (cancel_check(cancel, deadline, err) == -1)
            return -1;
        if (poll(fds, 4, deadline_left_ms(deadline)) <= 0)
            continue;
        if (fds[0].revents != 0)
            exchange_write(x);
        for (int i = 0; i < 2; i++)
            if (fds[i + 1].revents != 0)
                exchange_read(x, i);
    }
    return 0;
}

static int make_pipes(int pipes[3][2], struct error **err)
{
    for (int i = 0; i < 3; i++) {
        if (pipe2(pipes[i], O_CLOEXEC) == 0)
            continue;

        int sys = errno;

        for (int j = 0; j < i; j++) {
            close(pipes[j][0]);
            close(pipes[j][1]);
        }
        return error_sys(err, sys, "cannot make a pipe");
    }
    return 0;
}

int process_run(const struct process_options *options, const void *input, size_t input_len,
                size_t max, struct deadline deadline, struct cancel *cancel,
                struct process_result *result, struct error **err)
{
    CLEANUP(process) struct process *process = NULL;
    int pipes[3][2];

    if (make_pipes(pipes, err) == -1)
        return -1;

    struct process_options own = *options;
    own.stdin_fd = pipes[0][0];
    own.stdout_fd = pipes[1][1];
    own.stderr_fd = pipes[2][1];
    int started = process_start(&own, &process, err);

    close(pipes[0][0]);
    close(pipes[1][1]);
    close(pipes[2][1]);
    __attribute__((cleanup(exchange_close))) struct exchange x = {
        .input = input,
        .input_left = input_len,
        .in_fd = pipes[0][1],
        .fds = {pipes[1][0], pipes[2][0]},
        .bufs = {BUF_INIT(max), BUF_INIT(max)},
    };
    if (started == -1)
        return -1;
    if (input_len == 0)
        close(steal_fd(&x.in_fd));
    else if (fd_set_nonblocking(x.in_fd, err) == -1)
        return -1;

    int status = 0;
    if (exchange_loop(&x, deadline, cancel, err) == -1)
        return error_wrap(err, "program \"%s\"", options->argv[0]);
    if (!process_wait(process, deadline, cancel, &status)) {
        cancel_check(cancel, (struct deadline){0}, err);
        return error_wrap(err, "program \"%s\"", options->argv[0]);
    }

    result->status = status;
    result->out_len = x.bufs[0].len;
    result->out = buf_take(&x.bufs[0]);
    result->errors_len = x.bufs[1].len;
    result->errors = buf_take(&x.bufs[1]);
    return 0;
}

char *process_status_format(int status)
{
    if (WIFSIGNALED(status))
        return xasprintf("signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
    return xasprintf("exit status %d", WEXITSTATUS(status));
}
