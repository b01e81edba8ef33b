#define LOG_COMPONENT "node"

#include "node/container.h"

#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/process.h"
#include "base/text.h"
#include "base/time.h"
#include "data/obj.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { STATE_MAX = 16 * 1024, START_MS = 60000, ANSWER_MAX = 64 * 1024, LOST_EXIT_CODE = 137 };

/* Owned by the caller. */
static char *find_helpers(const char *program_dir)
{
    CLEANUP(str) char *installed = path_join(program_dir, "../libexec/gantry");
    CLEANUP(str) char *own = path_join(program_dir, "gantry-container");
    char real[PATH_MAX];

    return !file_exists(own) && realpath(installed, real) != NULL ? xstrdup(real)
                                                                  : xstrdup(program_dir);
}

int runtime_init(struct runtime *runtime, const char *program_dir, struct error **err)
{
    CLEANUP(str) char *why = NULL;
    struct sandbox_abilities *can = &runtime->abilities;

    *runtime = (struct runtime){.program_dir = xstrdup(program_dir),
                                .helper_dir = find_helpers(program_dir)};
    sandbox_probe(can, &why);
    if (!can->works) {
        error_set(err, ERROR_UNSUPPORTED, "this machine runs no sandbox: %s",
                  why == NULL ? "no reason given" : why);
        return error_hint(err, "install bubblewrap, and allow mount namespaces if this is a "
                               "container");
    }
    runtime->cgroups = cgroup_probe();
    log_info("sandbox: processes=%s network=%s ipc=%s users=%s proc=%s limits=%s",
             can->pid ? "own" : "shared", can->network ? "own" : "shared",
             can->ipc ? "own" : "shared", can->user ? "own" : "shared",
             can->new_proc ? "own" : "shared",
             runtime->cgroups == CGROUP_NONE ? "rlimit" : cgroup_version_name(runtime->cgroups));
    if (!can->pid)
        log_warn("no process namespaces here: what a container leaves running is ended through its "
                 "control group only");
    if (!can->network)
        log_warn("no network namespaces here: containers share the machine's network");
    if (runtime->cgroups == CGROUP_NONE)
        log_warn("no control group is writable here: only the memory of each process is limited, by "
                 "rlimit");
    return 0;
}

void runtime_reset(struct runtime *runtime)
{
    free(runtime->program_dir);
    free(runtime->helper_dir);
    *runtime = (struct runtime){0};
}

int container_start(const struct runtime *runtime, const char *dir, int number, const char *cgroup,
                    const struct container_limits *limits, const json_t *container,
                    struct error **err)
{
    const struct sandbox_abilities *can = &runtime->abilities;
    json_auto_t *spec = obj_pack(
        "{s:s,s:i,s:s,s:s,s:I,s:I,s:I,s:i,s:{s:b,s:b,s:b,s:b,s:b,s:b},s:O}", "dir", dir, "run",
        number, "cgroup", cgroup, "cgroupVersion", cgroup_version_name(runtime->cgroups),
        "memoryBytes", (json_int_t)limits->memory_bytes, "cpuMillis",
        (json_int_t)limits->cpu_millis, "pids", (json_int_t)limits->pids, "apiPort",
        (int)runtime->api_port, "abilities", "works", can->works, "pid", can->pid, "network",
        can->network, "ipc", can->ipc, "user", can->user, "newProc", can->new_proc, "container",
        container);
    CLEANUP(str) char *text = obj_format(spec);
    CLEANUP(str) char *program = path_join(runtime->helper_dir, "gantry-container");
    CLEANUP(process_result) struct process_result result = {0};
    struct process_options options = {.argv = (const char *const[]){program, NULL}};

    if (dir_make(dir, 0700, err) == -1)
        return -1;
    int ran = process_run(&options, text, strlen(text), ANSWER_MAX, deadline_after(START_MS), NULL,
                          &result, err);
    explicit_bzero(text, strlen(text));
    if (ran == -1)
        return error_wrap(err, "cannot start the supervisor");
    if (result.status != 0) {
        struct span answer = span_trim(span_of(result.errors));

        return error_set(err, ERROR_UNAVAILABLE, "%.*s", (int)answer.len, answer.ptr);
    }
    return 0;
}

/* True while some process holds the lock of run NUMBER. */
static bool is_supervised(const char *dir, int number)
{
    CLEANUP(str) char *path = xasprintf("%s/%d.lock", dir, number);
    CLEANUP(fd) int fd = open(path, O_RDWR | O_CLOEXEC);

    return fd != -1 && flock(fd, LOCK_SH | LOCK_NB) == -1;
}

/* The state file, or NULL if there is none. */
static int read_state(const char *dir, int number, json_t **out, struct error **err)
{
    CLEANUP(str) char *path = xasprintf("%s/%d.json", dir, number);
    CLEANUP(str) char *text = NULL;
    size_t len = 0;

    *out = NULL;
    if (!file_exists(path))
        return 0;
    if (file_read(path, STATE_MAX, &text, &len, err) == -1)
        return -1;
    *out = obj_parse(text, len, err);
    return *out == NULL ? error_wrap(err, "container state \"%s\"", path) : 0;
}

/* Records the end of a run whose supervisor could not. */
static int record_lost(const char *dir, int number, json_t *state, struct error **err)
{
    CLEANUP(str) char *path = xasprintf("%s/%d.json", dir, number);
    const char *version = obj_str(state, "cgroupVersion", "none");
    const char *cgroup = obj_str(state, "cgroup", NULL);

    if (cgroup != NULL)
        cgroup_remove(str_eq(version, "v2")   ? CGROUP_V2
                      : str_eq(version, "v1") ? CGROUP_V1
                                              : CGROUP_NONE,
                      cgroup);
    obj_put_int(state, "finishedAt", time_now_ms());
    obj_put_int(state, "exitCode", LOST_EXIT_CODE);
    obj_put_str(state, "reason", "ContainerStatusUnknown");

    CLEANUP(str) char *text = obj_format(state);
    return file_write(path, text, strlen(text), 0600, err);
}

int container_look(const char *dir, int number, struct container_state *state, struct error **err)
{
    json_auto_t *file = NULL;
    /* The lock first: who held it may have written the end since. */
    bool supervised = is_supervised(dir, number);

    *state = (struct container_state){.phase = CONTAINER_ABSENT};
    if (read_state(dir, number, &file, err) == -1)
        return -1;
    if (file == NULL)
        return 0;
    if (obj_at(file, "finishedAt") == NULL && !supervised &&
        record_lost(dir, number, file, err) == -1)
        return -1;
    state->phase = obj_at(file, "finishedAt") != NULL ? CONTAINER_OVER : CONTAINER_RUNNING;
    state->supervisor = (pid_t)obj_int(file, "supervisorPid", 0);
    state->pid = (pid_t)obj_int(file, "pid", 0);
    state->started_ms = obj_int(file, "startedAt", 0);
    state->finished_ms = obj_int(file, "finishedAt", 0);
    state->exit_code = (int)obj_int(file, "exitCode", 0);
    snprintf(state->reason, sizeof(state->reason), "%s", obj_str(file, "reason", "Error"));
    return 0;
}

int container_last_run(const char *dir)
{
    DIR *stream = opendir(dir);
    const struct dirent *entry;
    int last = -1;

    if (stream == NULL)
        return -1;
    while ((entry = readdir(stream)) != NULL) {
        struct span name = span_of(entry->d_name), number = {0};
        uint64_t value = 0;

        if (str_ends_with(entry->d_name, ".json") && span_split(&name, '.', &number) &&
            span_u64(number, &value) && (int)value > last)
            last = (int)value;
    }
    closedir(stream);
    return last;
}

void container_stop(const struct container_state *state, bool force)
{
    if (state->phase == CONTAINER_RUNNING && state->supervisor > 1)
        kill(state->supervisor, force ? SIGUSR1 : SIGTERM);
}

char *container_log_path(const char *dir, int number)
{
    return xasprintf("%s/%d.log", dir, number);
}
