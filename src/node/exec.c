/* Entering a container: nsenter joins its namespaces, setpriv gives up what joining brought.
 *
 * With a terminal we make one here and carry bytes both ways; the program gets its slave side. */
#include "node/container.h"

#include "base/cancel.h"
#include "base/error.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/process.h"
#include "base/text.h"
#include "base/vector.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

enum { ENVIRON_MAX = 1024 * 1024, PIECE = 16 * 1024, RESIZE_LINE_MAX = 32, WORDS_MAX = 4096 };

DEFINE_VECTOR(words, const char *)

static bool same_namespace(pid_t pid, const char *name)
{
    struct stat ours, theirs;
    CLEANUP(str) char *mine = xasprintf("/proc/self/ns/%s", name);
    CLEANUP(str) char *path = xasprintf("/proc/%d/ns/%s", (int)pid, name);

    return stat(mine, &ours) == 0 && stat(path, &theirs) == 0 && ours.st_ino == theirs.st_ino;
}

/* Only namespaces that differ are joined: a user namespace that is already ours cannot be. */
static void add_nsenter(struct words *argv, pid_t pid, char *target)
{
    static const struct {
        const char *file, *option;
    } spaces[] = {{"user", "--user"}, {"mnt", "--mount"}, {"pid", "--pid"},
                  {"ipc", "--ipc"},   {"net", "--net"},   {"uts", "--uts"}};

    words_push(argv, "nsenter");
    words_push(argv, "--target");
    words_push(argv, target);
    for (size_t i = 0; i < sizeof(spaces) / sizeof(spaces[0]); i++)
        if (!same_namespace(pid, spaces[i].file))
            words_push(argv, spaces[i].option);
    words_push(argv, "--preserve-credentials");
    words_push(argv, "--");
    words_push(argv, "setpriv");
    words_push(argv, "--no-new-privs");
    words_push(argv, "--inh-caps=-all");
    words_push(argv, "--bounding-set=-all");
    words_push(argv, "--");
}

/* The environment of process PID, split in place.  (The container's process 1 has bwrap's.) */
static char *read_environment(pid_t pid, struct words *env)
{
    CLEANUP(str) char *path = xasprintf("/proc/%d/environ", (int)pid);
    CLEANUP(error) struct error *ignored = NULL; /* then it starts with an empty one */
    char *text = NULL;
    size_t len = 0;

    if (file_read(path, ENVIRON_MAX, &text, &len, &ignored) == 0)
        for (size_t at = 0; at < len; at += strlen(text + at) + 1)
            words_push(env, text + at);
    words_push(env, "TERM=xterm");
    words_push(env, NULL);
    return text;
}

static int open_terminal(int *master, int *slave, struct error **err)
{
    char name[64];

    *master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (*master == -1 || grantpt(*master) == -1 || unlockpt(*master) == -1 ||
        ptsname_r(*master, name, sizeof(name)) != 0)
        return error_sys(err, errno, "cannot make a terminal");
    *slave = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
    return *slave == -1 ? error_sys(err, errno, "cannot open a terminal") : 0;
}

static void resize(int master, int resize_fd, struct buf *line)
{
    char text[RESIZE_LINE_MAX];
    ssize_t got = read(resize_fd, text, sizeof(text));

    for (ssize_t i = 0; i < got; i++) {
        struct winsize size = {0};

        if (text[i] != '\n') {
            buf_add_char(line, text[i]);
            continue;
        }
        if (line->ptr != NULL && sscanf(line->ptr, "%hux%hu", &size.ws_col, &size.ws_row) == 2)
            ioctl(master, TIOCSWINSZ, &size);
        buf_clear(line);
    }
}

/* Carries one piece; false at the end of FROM. */
static bool carry(int from, int to)
{
    char piece[PIECE];
    CLEANUP(error) struct error *ignored = NULL; /* the other side has gone: the same as an end */
    ssize_t got = read(from, piece, sizeof(piece));

    if (got == -1 && errno == EINTR)
        return true;
    return got > 0 && fd_write_all(to, piece, (size_t)got, "terminal", &ignored) == 0;
}

/* Carries a terminal's bytes until the program has ended and nothing is left of its output. */
static void carry_terminal(int master, int in_fd, int out_fd, int resize_fd, struct cancel *cancel)
{
    CLEANUP(buf) struct buf line = BUF_INIT(RESIZE_LINE_MAX);
    struct pollfd fds[] = {
        {.fd = master, .events = POLLIN},
        {.fd = in_fd, .events = POLLIN},
        {.fd = resize_fd, .events = POLLIN},
        {.fd = cancel == NULL ? -1 : cancel_fd(cancel), .events = POLLIN},
    };

    while (poll(fds, 4, -1) != -1 || errno == EINTR) {
        if (fds[3].revents != 0)
            return;
        if (fds[0].revents != 0 && !carry(master, out_fd))
            return;
        if (fds[1].revents != 0 && !carry(in_fd, master)) {
            CLEANUP(error) struct error *ignored = NULL;

            fds[1].fd = -1;
            fd_write_all(master, "\004", 1, "terminal", &ignored); /* end of input */
        }
        if (fds[2].revents != 0)
            resize(master, resize_fd, &line);
    }
}

static int run_entered(const struct process_options *options, int master, int in_fd, int out_fd,
                       int resize_fd, int *slave, struct cancel *cancel, int *exit_code,
                       struct error **err)
{
    CLEANUP(process) struct process *process = NULL;
    int status = 0;

    if (process_start(options, &process, err) == -1)
        return -1;
    cleanup_fd(slave); /* else the terminal never ends */
    *slave = -1;
    if (master != -1)
        carry_terminal(master, in_fd, out_fd, resize_fd, cancel);
    if (!process_wait(process, DEADLINE_NONE, cancel, &status))
        return error_set(err, ERROR_CANCELED, "the caller went away");
    *exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return 0;
}

int container_exec(const struct container_state *state, const char *const *command, int in_fd,
                   int out_fd, int err_fd, bool tty, int resize_fd, struct cancel *cancel,
                   int *exit_code, struct error **err)
{
    struct words argv = {0}, env = {0};
    char target[16];
    CLEANUP(fd) int master = -1;
    CLEANUP(fd) int slave = -1;

    if (state->phase != CONTAINER_RUNNING)
        return error_set(err, ERROR_INVALID, "container is not running");
    if (tty && open_terminal(&master, &slave, err) == -1)
        return -1;

    snprintf(target, sizeof(target), "%d", (int)state->pid);
    add_nsenter(&argv, state->pid, target);
    for (size_t i = 0; command[i] != NULL && i < WORDS_MAX; i++)
        words_push(&argv, command[i]);
    words_push(&argv, NULL);
    CLEANUP(str) char *text = read_environment(sandbox_program_of(state->pid), &env);

    struct process_options options = {
        .argv = argv.ptr,
        .env = env.ptr,
        .stdin_fd = tty ? slave : in_fd > 0 ? in_fd : 0,
        .stdout_fd = tty ? slave : out_fd > 0 ? out_fd : 0,
        .stderr_fd = tty ? slave : err_fd > 0 ? err_fd : 0,
        .new_session = true,
        .die_with_us = true,
    };
    int result = run_entered(&options, master, in_fd, out_fd, resize_fd, &slave, cancel, exit_code, err);
    words_reset(&argv);
    words_reset(&env);
    return result;
}
