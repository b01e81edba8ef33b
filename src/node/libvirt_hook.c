#include "node/libvirt_hook.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "base/mem.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { HOOK_BYTES_MAX = 64 * 1024 * 1024 };

/* The program finds this beside itself: libvirt passes it no environment of ours. */
#define SOCKET_LINK   "migration-hook-socket"
#define SOCKET_TARGET "/run/gantry/" LIBVIRT_HOOK_SOCKET

static bool is_same(const char *path, const char *data, size_t len)
{
    CLEANUP(str) char *there = NULL;
    CLEANUP(error) struct error *ignored = NULL; /* absent, or another */
    size_t there_len = 0;
    struct stat st;

    return stat(path, &st) == 0 && (st.st_mode & 0777) == 0755 &&
           file_read(path, HOOK_BYTES_MAX, &there, &there_len, &ignored) == 0 &&
           there_len == len && memcmp(there, data, len) == 0;
}

int libvirt_hook_install(const char *dir, const char *program_dir, struct error **err)
{
    CLEANUP(str) char *program = path_join(program_dir, "gantry-libvirt-hook");
    CLEANUP(str) char *hooks = path_join(dir, "etc/hooks");
    CLEANUP(str) char *path = path_join(hooks, "qemu");
    CLEANUP(str) char *socket = path_join(hooks, SOCKET_LINK);
    CLEANUP(str) char *data = NULL;
    size_t len = 0;

    if (file_read(program, HOOK_BYTES_MAX, &data, &len, err) == -1 || dir_make(hooks, 0755, err) == -1)
        return error_wrap(err, "libvirt's hook");
    if (symlink(SOCKET_TARGET, socket) == -1 && errno != EEXIST)
        return error_sys(err, errno, "cannot make \"%s\"", socket);
    return is_same(path, data, len) ? 0 : file_write(path, data, len, 0755, err);
}
