#include "node/sub_path.h"

#include "base/error.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { MOUNTS_MAX = 64 /* one above the other at a place */ };

static int open_beneath(int dir, const char *path, uint64_t flags)
{
    struct open_how how = {
        .flags = flags | O_PATH | O_CLOEXEC,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
    };

    return (int)syscall(SYS_openat2, dir, path, &how, sizeof(how));
}

/* Anybody in the container may write there; by descriptor, as the name may be another's by now. */
static int open_to_all(int fd)
{
    char path[64];

    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    return chmod(path, 0777);
}

/* Makes the folders of SUB below DIR, and opens the last; -1 with errno. */
static int make_beneath(int dir, const char *sub)
{
    CLEANUP(fd) int at = fcntl(dir, F_DUPFD_CLOEXEC, 0);
    struct span rest = span_of(sub), word;

    while (at != -1 && span_split(&rest, '/', &word)) {
        CLEANUP(str) char *name = span_dup(word);
        if (word.len == 0)
            continue;
        bool made = mkdirat(at, name, 0777) == 0;
        if (!made && errno != EEXIST)
            return -1;
        int next = open_beneath(at, name, O_DIRECTORY);
        if (next == -1)
            return -1;
        close(at);
        at = next;
        if (made && open_to_all(at) == -1)
            return -1;
    }
    return steal_fd(&at);
}

static int open_sub(const char *volume, const char *sub, struct error **err)
{
    CLEANUP(fd) int root = open(volume, O_PATH | O_DIRECTORY | O_CLOEXEC);

    if (root == -1)
        return error_sys(err, errno, "cannot open \"%s\"", volume);
    int fd = open_beneath(root, sub, 0);
    if (fd == -1 && errno == ENOENT)
        fd = make_beneath(root, sub);
    if (fd != -1)
        return fd;
    if (errno == ELOOP)
        return error_set(err, ERROR_DENIED, "subPath \"%s\" goes over a symbolic link", sub);
    if (errno == EXDEV)
        return error_set(err, ERROR_INVALID, "subPath \"%s\" leaves its volume", sub);
    return error_sys(err, errno, "subPath \"%s\"", sub);
}

/* A file or folder at AT, to be covered by the mount. */
static int make_place(const char *at, bool is_folder, struct error **err)
{
    if (is_folder)
        return dir_make(at, 0755, err);
    return file_write(at, "", 0, 0644, err);
}

int sub_path_release(const char *at, struct error **err)
{
    for (int i = 0; i < MOUNTS_MAX; i++)
        if (umount2(at, MNT_DETACH | UMOUNT_NOFOLLOW) == -1)
            return errno == EINVAL || errno == ENOENT
                       ? 0
                       : error_sys(err, errno, "cannot unmount \"%s\"", at);
    return error_set(err, ERROR_BUSY, "more than %d mounts at \"%s\"", MOUNTS_MAX, at);
}

int sub_path_bind(const char *volume, const char *sub, const char *at, struct error **err)
{
    struct stat st;
    CLEANUP(fd) int fd = -1, tree = -1;

    if (sub_path_release(at, err) == -1)
        return -1;
    fd = open_sub(volume, sub, err);
    if (fd == -1)
        return -1;
    if (fstat(fd, &st) == -1)
        return error_sys(err, errno, "cannot look at subPath \"%s\"", sub);
    if (make_place(at, S_ISDIR(st.st_mode), err) == -1)
        return -1;
    tree = open_tree(fd, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
    if (tree == -1 || move_mount(tree, "", AT_FDCWD, at, MOVE_MOUNT_F_EMPTY_PATH) == -1)
        return error_sys(err, errno, "cannot bind subPath \"%s\" to \"%s\"", sub, at);
    return 0;
}
