/* Child processes: started without a shell, with only the descriptors they are given, and always
 * reaped.
 *
 * May use: base.  Threads: a struct process belongs to one thread at a time.
 */
#pragma once

#include "base/cleanup.h"
#include "base/time.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct cancel;
struct error;
struct process;

struct process_options {
    const char *const *argv; /* NULL at the end; argv[0] is looked up in PATH if it has no slash */
    const char *const *env;  /* NAME=value, NULL at the end; NULL inherits */
    const char *cwd;         /* NULL: ours */
    int stdin_fd;            /* 0: /dev/null; borrowed otherwise */
    int stdout_fd;           /* 0: /dev/null; borrowed otherwise */
    int stderr_fd;           /* 0: /dev/null; borrowed otherwise */
    const int *keep_fds;     /* further descriptors that the child keeps under the same number */
    size_t keep_count;
    bool new_session;        /* setsid, so that process_kill reaches its children too */
    bool die_with_us;        /* SIGKILL when the starting thread ends */
};

/* Starts the program.  A program that is missing or cannot be run is an error here, with the
 * child's errno. */
int process_start(const struct process_options *options, struct process **out, struct error **err);

pid_t process_pid(const struct process *process);

/* Sends SIGNAL to the process, or to its session's process group if it has one of its own. */
void process_kill(struct process *process, int signal);

/* Waits for the end; false when the deadline is over or CANCEL (may be NULL) is requested.
 * *STATUS is as wait(2) has it. */
bool process_wait(struct process *process, struct deadline deadline, struct cancel *cancel,
                  int *status);

/* Kills the group, waits, and frees. */
void process_free(struct process *process);

/* What one run printed. */
struct process_result {
    int status; /* as wait(2) has it */
    char *out;
    size_t out_len;
    char *errors;
    size_t errors_len;
};

void process_result_reset(struct process_result *result);

/* Runs a program to its end with INPUT (may be NULL) on its standard input, and keeps at most MAX
 * bytes of each output; more is read and dropped.  Its own failure is not an error here: look at
 * the status.  stdin_fd, stdout_fd and stderr_fd of the options are ignored. */
int process_run(const struct process_options *options, const void *input, size_t input_len,
                size_t max, struct deadline deadline, struct cancel *cancel,
                struct process_result *result, struct error **err);

/* "exit status 3" or "signal 9 (Killed)".  Owned by the caller. */
char *process_status_format(int status);

DEFINE_CLEANUP(process, struct process *, process_free)
DEFINE_CLEANUP_IN_PLACE(process_result, struct process_result, process_result_reset)
