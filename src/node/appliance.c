#define LOG_COMPONENT "node"

#include "node/appliance.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/process.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/time.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BUILD_MS = 300 * 1000, OUTPUT_MAX = 64 * 1024, SHOWN_MAX = 300 };

#define PARTS "/usr/lib/x86_64-linux-gnu/guestfs/supermin.d"
#define PACKAGES "/var/lib/dpkg/status"

static bool is_fresh(const char *path)
{
    CLEANUP(str) char *marker = path_join(path, "README.fixed");
    struct stat ours, packages;

    if (stat(marker, &ours) == -1)
        return false;
    return stat(PACKAGES, &packages) == -1 || packages.st_mtime <= ours.st_mtime;
}

static int build(const char *path, struct error **err)
{
    CLEANUP(process_result) struct process_result result = {0};
    CLEANUP(str) char *marker = path_join(path, "README.fixed");
    struct process_options options = {
        .argv = (const char *const[]){"supermin", "--build", "--copy-kernel", "-f", "ext2",
                                      "--host-cpu", "x86_64", PARTS, "-o", path, NULL},
        .new_session = true,
    };

    if (process_run(&options, NULL, 0, OUTPUT_MAX, deadline_after(BUILD_MS), NULL, &result, err) ==
        -1)
        return -1;
    if (result.status != 0) {
        struct span text = span_trim(span_of(result.errors));

        return error_set(err, ERROR_UNSUPPORTED, "supermin: %.*s",
                         (int)(text.len > SHOWN_MAX ? SHOWN_MAX : text.len), text.ptr);
    }
    return file_write(marker, "", 0, 0644, err);
}

int appliance_ensure(const char *dir, struct error **err)
{
    CLEANUP(str) char *path = path_join(dir, "appliance");
    CLEANUP(str) char *template = xasprintf("%s/building-", dir);
    CLEANUP(error) struct error *ignored = NULL; /* what is left lies in our cache */
    int64_t start = time_mono_ms();

    if (is_fresh(path))
        return 0;
    if (!file_exists(PARTS)) {
        error_set(err, ERROR_UNSUPPORTED, "libguestfs is not installed");
        return error_hint(err, "run ./bootstrap convert");
    }
    if (dir_make(dir, 0700, err) == -1)
        return -1;
    CLEANUP(str) char *temp = dir_make_temp(template, err);
    if (temp == NULL)
        return -1;
    if (build(temp, err) == -1) {
        dir_remove(temp, &ignored);
        return error_wrap(err, "cannot build the appliance for guest conversion");
    }
    if (dir_remove(path, err) == -1)
        return -1;
    if (rename(temp, path) == -1) {
        int sys = errno;

        dir_remove(temp, &ignored);
        if (!is_fresh(path)) /* else another was faster */
            return error_sys(err, sys, "cannot keep the appliance");
    }
    log_info("appliance built: ms=%" PRId64, time_mono_ms() - start);
    return 0;
}
