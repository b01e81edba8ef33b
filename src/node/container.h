/* The agent's side of containers: starts supervisors and reads what they left.
 *
 * Nothing is remembered: all is in the files of a container's folder (supervisor.h), so that an
 * agent that has just started sees the same as one that has run for days.
 *
 * May use: base, data.  Threads: a runtime is frozen once made; a container's folder is used by one
 * thread at a time, except container_log_read and container_exec.
 */
#pragma once

#include "base/cleanup.h"
#include "data/obj.h"
#include "node/cgroup.h"
#include "node/sandbox.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct cancel;
struct error;

/* What this machine offers, found out once. */
struct runtime {
    char *program_dir; /* of gantry-copy and others that people run */
    char *helper_dir;  /* of gantry-container and others that only we run; may be the same */
    struct sandbox_abilities abilities;
    enum cgroup_version cgroups;
    uint16_t api_port; /* of the API server on 127.0.0.1; its owner sets it, 0 at first */
};

/* Probes the machine and logs what is missing.  Fails only if there can be no sandbox at all.  The
 * helpers are in PROGRAM_DIR itself (a build) or in ../libexec/gantry beside it (installed). */
int runtime_init(struct runtime *runtime, const char *program_dir, struct error **err);
void runtime_reset(struct runtime *runtime);

enum container_phase {
    CONTAINER_ABSENT, /* this run was never started */
    CONTAINER_RUNNING,
    CONTAINER_OVER,
};

struct container_state {
    enum container_phase phase;
    pid_t supervisor; /* while running */
    pid_t pid;        /* of the container's first process, in our namespace; while running */
    int64_t started_ms, finished_ms;
    int exit_code;
    char reason[32]; /* Completed, Error, OOMKilled, ContainerStatusUnknown */
};

struct container_limits {
    uint64_t memory_bytes, cpu_millis, pids; /* 0: none */
};

/* Starts run NUMBER of the container whose folder is DIR.  CGROUP names its control group;
 * CONTAINER is described in sandbox.h.  A run that is there already is left alone. */
int container_start(const struct runtime *runtime, const char *dir, int number, const char *cgroup,
                    const struct container_limits *limits, const json_t *container,
                    struct error **err);

/* How run NUMBER is.  One whose supervisor was killed is over from now on, with exit code 137. */
int container_look(const char *dir, int number, struct container_state *state, struct error **err);

/* The highest run that was started, or -1. */
int container_last_run(const char *dir);

/* Asks the program to end, or with FORCE kills the container. */
void container_stop(const struct container_state *state, bool force);

/* The log of run NUMBER; owned by the caller. */
char *container_log_path(const char *dir, int number);

/* Runs COMMAND (NULL at the end) inside the container's namespaces and waits; see apiserver.h's
 * pod_exec for the rest. */
int container_exec(const struct container_state *state, const char *const *command, int in_fd,
                   int out_fd, int err_fd, bool tty, int resize_fd, struct cancel *cancel,
                   int *exit_code, struct error **err);

DEFINE_CLEANUP_IN_PLACE(runtime, struct runtime, runtime_reset)
