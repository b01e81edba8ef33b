/* v2 has one tree, in which a parent must hand its controllers on; v1 has a tree per controller.
 * Both get a folder "gantry" that holds the containers' groups.  The root group of a container
 * (as opposed to a machine) often refuses to hand controllers on: then a trial group has no
 * memory.max and v2 counts as unusable. */
#include "node/cgroup.h"

#include "base/array.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/time.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ROOT "/sys/fs/cgroup"

enum { FILE_MAX = 64 * 1024, REMOVE_WAIT_MS = 1000, CPU_PERIOD_US = 100000 };

static const char *const v1_controllers[] = {"memory", "cpu", "pids"};

static int write_value(const char *dir, const char *file, const char *value, struct error **err)
{
    CLEANUP(str) char *path = path_join(dir, file);
    CLEANUP(fd) int fd = open(path, O_WRONLY | O_CLOEXEC);

    if (fd == -1)
        return error_sys(err, errno, "cannot open \"%s\"", path);
    if (write(fd, value, strlen(value)) == -1)
        return error_sys(err, errno, "cannot write \"%s\" to \"%s\"", value, path);
    return 0;
}

/* Kernel files have no size: read until the end. */
static char *read_value(const char *dir, const char *file)
{
    CLEANUP(str) char *path = path_join(dir, file);
    CLEANUP(error) struct error *ignored = NULL; /* absent is an answer here */
    char *text = NULL;

    if (file_read(path, FILE_MAX, &text, NULL, &ignored) == -1)
        return NULL;
    return text;
}

static char *group_dir(const char *controller, const char *name)
{
    return controller == NULL ? xasprintf(ROOT "/gantry/%s", name)
                              : xasprintf(ROOT "/%s/gantry/%s", controller, name);
}

static bool make_group(const char *dir)
{
    CLEANUP(error) struct error *ignored = NULL;

    return dir_make(dir, 0755, &ignored) == 0;
}

static void hand_on_v2_controllers(void)
{
    CLEANUP(error) struct error *ignored = NULL;
    static const char *const parents[] = {ROOT, ROOT "/gantry"};

    for (size_t i = 0; i < ARRAY_SIZE(parents); i++)
        for (size_t k = 0; k < ARRAY_SIZE(v1_controllers); k++) {
            char word[16];

            snprintf(word, sizeof(word), "+%s", v1_controllers[k]);
            write_value(parents[i], "cgroup.subtree_control", word, &ignored);
            error_clear(&ignored);
        }
}

static bool v2_works(void)
{
    CLEANUP(str) char *dir = xasprintf(ROOT "/gantry/probe-%d", (int)getpid());
    CLEANUP(str) char *limit = NULL;

    if (!file_exists(ROOT "/cgroup.controllers") || !make_group(ROOT "/gantry"))
        return false;
    hand_on_v2_controllers();
    if (mkdir(dir, 0755) == -1)
        return false;
    limit = read_value(dir, "memory.max");
    rmdir(dir);
    return limit != NULL;
}

static bool v1_works(void)
{
    bool works = false;

    for (size_t i = 0; i < ARRAY_SIZE(v1_controllers); i++) {
        CLEANUP(str) char *parent = xasprintf(ROOT "/%s", v1_controllers[i]);
        CLEANUP(str) char *procs = path_join(parent, "cgroup.procs");
        CLEANUP(str) char *dir = NULL;

        if (!file_exists(procs))
            continue;
        CLEANUP(str) char *name = xasprintf("probe-%d", (int)getpid());
        dir = group_dir(v1_controllers[i], name);
        if (!make_group(dir))
            continue;
        rmdir(dir);
        works = true;
    }
    return works;
}

enum cgroup_version cgroup_probe(void)
{
    if (v2_works())
        return CGROUP_V2;
    return v1_works() ? CGROUP_V1 : CGROUP_NONE;
}

const char *cgroup_version_name(enum cgroup_version version)
{
    static const char *const names[] = {
        [CGROUP_NONE] = "none", [CGROUP_V1] = "v1", [CGROUP_V2] = "v2"};

    return names[version];
}

static int set_number(const char *dir, const char *file, uint64_t value, const char *unlimited,
                      struct error **err)
{
    char text[32];

    snprintf(text, sizeof(text), "%" PRIu64, value);
    return write_value(dir, file, value == 0 ? unlimited : text, err);
}

static int make_v2(const char *name, const struct cgroup_limits *limits, bool *memory_limited,
                   struct error **err)
{
    CLEANUP(str) char *dir = group_dir(NULL, name);
    CLEANUP(error) struct error *ignored = NULL;
    char quota[48] = "max";

    if (dir_make(dir, 0755, err) == -1)
        return error_wrap(err, "control group \"%s\"", name);
    *memory_limited =
        set_number(dir, "memory.max", limits->memory_bytes, "max", &ignored) == 0;
    error_clear(&ignored);
    /* Without this, a container over its memory swaps instead of ending.  Absent without swap. */
    write_value(dir, "memory.swap.max", "0", &ignored);
    error_clear(&ignored);
    set_number(dir, "pids.max", limits->pids, "max", &ignored);
    error_clear(&ignored);
    if (limits->cpu_millis > 0)
        snprintf(quota, sizeof(quota), "%" PRIu64 " %d", limits->cpu_millis * CPU_PERIOD_US / 1000,
                 CPU_PERIOD_US);
    write_value(dir, "cpu.max", quota, &ignored);
    return 0;
}

static int make_v1(const char *name, const struct cgroup_limits *limits, bool *memory_limited)
{
    *memory_limited = false;
    for (size_t i = 0; i < ARRAY_SIZE(v1_controllers); i++) {
        CLEANUP(str) char *dir = group_dir(v1_controllers[i], name);
        CLEANUP(error) struct error *ignored = NULL; /* this controller is left out */

        if (!make_group(dir))
            continue;
        if (i == 0)
            *memory_limited = set_number(dir, "memory.limit_in_bytes", limits->memory_bytes, "-1",
                                         &ignored) == 0;
        else if (i == 1)
            set_number(dir, "cpu.cfs_quota_us", limits->cpu_millis * CPU_PERIOD_US / 1000, "-1",
                       &ignored);
        else
            set_number(dir, "pids.max", limits->pids, "max", &ignored);
    }
    return 0;
}

int cgroup_make(enum cgroup_version version, const char *name, const struct cgroup_limits *limits,
                bool *memory_limited, struct error **err)
{
    *memory_limited = false;
    if (version == CGROUP_V2)
        return make_v2(name, limits, memory_limited, err);
    return version == CGROUP_V1 ? make_v1(name, limits, memory_limited) : 0;
}

/* Calls FN with the folder of each controller's group that exists, until it returns -1. */
static int each_group(enum cgroup_version version, const char *name,
                      int (*fn)(const char *dir, void *arg, struct error **err), void *arg,
                      struct error **err)
{
    size_t count = version == CGROUP_NONE ? 0 : version == CGROUP_V2 ? 1 : ARRAY_SIZE(v1_controllers);

    for (size_t i = 0; i < count; i++) {
        CLEANUP(str) char *dir = group_dir(version == CGROUP_V2 ? NULL : v1_controllers[i], name);

        if (file_exists(dir) && fn(dir, arg, err) == -1)
            return -1;
    }
    return 0;
}

static int add_to(const char *dir, void *arg, struct error **err)
{
    char text[16];

    snprintf(text, sizeof(text), "%d", (int)*(pid_t *)arg);
    return write_value(dir, "cgroup.procs", text, err);
}

int cgroup_add(enum cgroup_version version, const char *name, pid_t pid, struct error **err)
{
    return each_group(version, name, add_to, &pid, err);
}

bool cgroup_was_out_of_memory(enum cgroup_version version, const char *name)
{
    CLEANUP(str) char *dir = group_dir(version == CGROUP_V2 ? NULL : "memory", name);
    CLEANUP(str) char *text =
        read_value(dir, version == CGROUP_V2 ? "memory.events" : "memory.oom_control");
    struct span rest = span_of(text);
    struct span line;

    while (span_split(&rest, '\n', &line))
        if (span_starts_with(line, "oom_kill "))
            return !span_eq_str(line, "oom_kill 0");
    return false;
}

static int kill_all(const char *dir, void *arg, struct error **err)
{
    CLEANUP(str) char *text = read_value(dir, "cgroup.procs");
    struct span rest = span_of(text);
    struct span line;

    while (span_split(&rest, '\n', &line)) {
        uint64_t pid = 0;

        if (span_u64(line, &pid) && pid > 1)
            kill((pid_t)pid, SIGKILL);
    }
    return 0;
}

static int remove_one(const char *dir, void *arg, struct error **err)
{
    if (rmdir(dir) == -1 && errno != ENOENT)
        *(bool *)arg = false;
    return 0;
}

void cgroup_remove(enum cgroup_version version, const char *name)
{
    struct deadline deadline = deadline_after(REMOVE_WAIT_MS);
    CLEANUP(error) struct error *ignored = NULL; /* neither function fails */

    for (;;) {
        bool gone = true;

        each_group(version, name, kill_all, NULL, &ignored);
        each_group(version, name, remove_one, &gone, &ignored);
        if (gone || deadline_is_over(deadline))
            return;
        usleep(2000); /* the kernel tells no one when a killed process has left its group */
    }
}
