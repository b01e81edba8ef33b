/* gantry up, down: start and stop gantryd at home.
 *
 * gantryd gets one end of a pipe as descriptor 3 (--ready-fd 3) and writes "ready URL\n" to it once
 * it serves, or one line that says what is wrong.  It belongs to no terminal and no parent. */
#include "cli/commands.h"

#include "base/array.h"
#include "base/error.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/time.h"
#include "cli/command.h"
#include "cli/home.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { READY_FD = 3, READY_MS = 60000, LINE_MAX_LEN = 4096, STOP_MS = 60000 };

/* gantryd beside this program, or in PATH's usual place after an installation. */
static char *find_gantryd(struct error **err)
{
    char self[PATH_MAX];
    ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);

    if (len == -1) {
        error_sys(err, errno, "cannot find out where gantry lies");
        return NULL;
    }
    self[len] = '\0';

    char *path = xasprintf("%.*s/gantryd", (int)(path_base(self) - 1 - self), self);
    if (access(path, X_OK) == 0)
        return path;
    error_sys(err, errno, "cannot run \"%s\"", path);
    free(path);
    return NULL;
}

/* What gantryd is told. */
struct wish {
    const char *dir;
    const char *listen;     /* or NULL, as the next */
    const char *policy_dir; /* absolute */
};

/* In the child: becomes gantryd, apart from our terminal, with its log as output. */
static _Noreturn void become_gantryd(const char *program, const struct wish *wish, int ready_fd,
                                     int log_fd)
{
    int null_fd = open("/dev/null", O_RDONLY);

    setsid();
    if (fork() != 0) /* the grandchild is nobody's child, so nobody has to wait for it */
        _exit(0);
    if (null_fd == -1 || dup2(null_fd, 0) == -1 || dup2(log_fd, 1) == -1 ||
        dup2(log_fd, 2) == -1 || dup2(ready_fd, READY_FD) == -1)
        _exit(127);
    for (int fd = READY_FD + 1; fd < 1024; fd++)
        close(fd);
    const char *argv[10] = {program, "--dir", wish->dir, "--ready-fd", "3"};
    size_t count = 5;
    if (wish->listen != NULL) {
        argv[count++] = "--listen";
        argv[count++] = wish->listen;
    }
    if (wish->policy_dir != NULL) {
        argv[count++] = "--policy-dir";
        argv[count++] = wish->policy_dir;
    }
    execv(program, (char *const *)(uintptr_t)argv);
    _exit(127);
}

/* Waits for gantryd's line on FD. */
static int read_ready_line(int fd, const char *log, struct buf *line, struct error **err)
{
    struct deadline deadline = deadline_after(READY_MS);

    while (line->len == 0 || line->ptr[line->len - 1] != '\n') {
        struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
        char piece[512];
        int ready = poll(&poll_fd, 1, deadline_left_ms(deadline));

        if (ready == 0) {
            error_set(err, ERROR_TIMEOUT, "gantryd is not ready after %d s", READY_MS / 1000);
            return error_hint(err, "its log is \"%s\"", log);
        }
        ssize_t got = ready == -1 ? -1 : read(fd, piece, sizeof(piece));
        if (got == -1 && errno == EINTR)
            continue;
        if (got <= 0) {
            error_set(err, ERROR_UNAVAILABLE, "gantryd ended before it was ready");
            return error_hint(err, "its log is \"%s\"", log);
        }
        buf_append(line, piece, (size_t)got);
        if (buf_check(line, err) == -1)
            return -1;
    }
    line->ptr[--line->len] = '\0';
    return 0;
}

static int start_gantryd(const struct wish *wish, struct buf *line, struct error **err)
{
    CLEANUP(str) char *program = find_gantryd(err);
    CLEANUP(str) char *log = path_join(wish->dir, HOME_LOG);
    CLEANUP(fd) int log_fd = -1;
    int ends[2];

    if (program == NULL || dir_make(wish->dir, 0700, err) == -1)
        return -1;
    log_fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (log_fd == -1)
        return error_sys(err, errno, "cannot open \"%s\"", log);
    if (pipe2(ends, O_CLOEXEC) == -1)
        return error_sys(err, errno, "cannot make a pipe");

    pid_t pid = fork();
    if (pid == 0)
        become_gantryd(program, wish, ends[1], log_fd);
    CLEANUP(fd) int ready_fd = ends[0];
    close(ends[1]);
    if (pid == -1)
        return error_sys(err, errno, "cannot start gantryd");
    waitpid(pid, NULL, 0);
    if (read_ready_line(ready_fd, log, line, err) == -1)
        return -1;
    if (!str_starts_with(line->ptr, "ready ")) {
        error_set(err, ERROR_UNAVAILABLE, "%s", line->ptr);
        return error_hint(err, "gantryd's log is \"%s\"", log);
    }
    return 0;
}

int cmd_up(const struct command *self, int argc, char **argv)
{
    const char *dir_arg = NULL, *listen = NULL, *policies = NULL;
    const struct option_spec specs[] = {
        {"dir", 0, OPTION_TEXT, &dir_arg, "DIR",
         "keep everything in DIR (default $GANTRY_DIR or ~/.local/share/gantry)"},
        {"listen", 0, OPTION_TEXT, &listen, "ADDR:PORT",
         "serve the API there (default: the last time's address, at first a free port)"},
        {"policy-dir", 0, OPTION_TEXT, &policies, "DIR",
         "users' validation rules, besides those of the ConfigMap"},
    };
    CLEANUP(str) char *dir = NULL;
    struct error *err = NULL;
    pid_t pid = 0;
    int status = home_begin(self, specs, ARRAY_SIZE(specs), &dir_arg, argc, argv, &dir, &pid);

    if (status != -1)
        return status;
    if (pid > 0) {
        printf("gantry already runs in %s (process %d)\n", dir, (int)pid);
        return EXIT_OK;
    }

    int64_t before = time_mono_ms();
    CLEANUP(buf) struct buf line = BUF_INIT(LINE_MAX_LEN);
    CLEANUP(str) char *policy_dir = policies != NULL ? realpath(policies, NULL) : NULL;
    if (policies != NULL && policy_dir == NULL) {
        error_sys(&err, errno, "cannot find the folder \"%s\"", policies);
        return command_fail(err);
    }
    const struct wish wish = {.dir = dir, .listen = listen, .policy_dir = policy_dir};
    if (start_gantryd(&wish, &line, &err) == -1) {
        error_wrap(&err, "cannot start gantry in \"%s\"", dir);
        return command_fail(err);
    }
    printf("gantry is ready at %s after %" PRId64 " ms\n\n"
           "  kubectl --kubeconfig %s/%s get all -A\n"
           "  gantry migrate FILE.ova --dir %s\n"
           "  gantry down --dir %s\n",
           line.ptr + strlen("ready "), time_mono_ms() - before, dir, HOME_KUBECONFIG, dir, dir);
    return EXIT_OK;
}

/* Waits until DIR's lock is free; false when the deadline is over. */
static bool wait_until_gone(const char *dir, struct deadline deadline)
{
    for (;;) {
        struct error *err = NULL;
        pid_t pid = home_get_daemon(dir, &err);

        error_free(err); /* a folder that cannot be read any more has no daemon either */
        if (pid <= 0)
            return true;
        if (deadline_is_over(deadline))
            return false;
        poll(NULL, 0, 20);
    }
}

int cmd_down(const struct command *self, int argc, char **argv)
{
    const char *dir_arg = NULL;
    bool all = false;
    const struct option_spec specs[] = {
        {"dir", 0, OPTION_TEXT, &dir_arg, "DIR", "the folder given to gantry up"},
        {"all", 0, OPTION_FLAG, &all, NULL, "stop its machines and pods as well"},
    };
    CLEANUP(str) char *dir = NULL;
    struct error *err = NULL;
    pid_t pid = 0;
    int status = home_begin(self, specs, ARRAY_SIZE(specs), &dir_arg, argc, argv, &dir, &pid);

    if (status != -1)
        return status;
    if (pid == 0) {
        printf("gantry does not run in %s\n", dir);
        return EXIT_OK;
    }
    kill(pid, all ? SIGUSR1 : SIGTERM);
    if (!wait_until_gone(dir, deadline_after(STOP_MS))) {
        error_set(&err, ERROR_TIMEOUT, "gantryd (process %d) still runs after %d s", (int)pid,
                  STOP_MS / 1000);
        error_hint(&err, "kill -9 %d is safe: nothing acknowledged is lost", (int)pid);
        return command_fail(err);
    }
    printf("gantry in %s is down%s\n", dir,
           all ? "" : "; its machines go on (--all stops them too)");
    return EXIT_OK;
}
