#include "base/file.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/fault.h"
#include "base/mem.h"
#include "base/random.h"
#include "base/text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DIR_REMOVE_DEPTH_MAX = 256 };

void cleanup_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

int steal_fd(int *fd)
{
    int taken = *fd;

    *fd = -1;
    return taken;
}

void cleanup_str(char **text)
{
    free(*text);
}

int file_read(const char *path, size_t max, char **data, size_t *len, struct error **err)
{
    CLEANUP(fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
    CLEANUP(buf) struct buf content = BUF_INIT(max);

    if (fd == -1)
        return error_sys(err, errno, "cannot open \"%s\"", path);
    for (;;) {
        char piece[16384];
        ssize_t got = read(fd, piece, sizeof(piece));

        if (got == -1 && errno == EINTR)
            continue;
        if (got == -1)
            return error_sys(err, errno, "cannot read \"%s\"", path);
        if (got == 0)
            break;
        buf_append(&content, piece, (size_t)got);
        if (content.full)
            return error_set(err, ERROR_INVALID, "\"%s\" is larger than %zu bytes", path, max);
    }
    if (len != NULL)
        *len = content.len;
    *data = buf_take(&content);
    return 0;
}

static int sync_parent(const char *path, struct error **err)
{
    const char *base = path_base(path);
    CLEANUP(str) char *dir = base == path ? xstrdup(".") : xstrndup(path, (size_t)(base - path));
    CLEANUP(fd) int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd == -1 || fsync(fd) == -1)
        return error_sys(err, errno, "cannot sync folder \"%s\"", dir);
    return 0;
}

static int write_and_sync(const char *path, const void *data, size_t len, mode_t mode,
                          struct error **err)
{
    CLEANUP(fd) int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);

    if (fd == -1)
        return error_sys(err, errno, "cannot create \"%s\"", path);
    if (fchmod(fd, mode) == -1) /* the umask does not apply */
        return error_sys(err, errno, "cannot set the mode of \"%s\"", path);
    if (fd_write_all(fd, data, len, path, err) == -1)
        return -1;
    if (fault("file.sync") || fsync(fd) == -1)
        return error_sys(err, errno == 0 ? EIO : errno, "cannot sync \"%s\"", path);
    return 0;
}

int file_write(const char *path, const void *data, size_t len, mode_t mode, struct error **err)
{
    char suffix[9];

    random_name(suffix, sizeof(suffix) - 1);
    CLEANUP(str) char *temp = xasprintf("%s.%s.tmp", path, suffix);

    if (write_and_sync(temp, data, len, mode, err) == -1) {
        unlink(temp);
        return -1;
    }
    if (rename(temp, path) == -1) {
        int sys = errno;

        unlink(temp);
        return error_sys(err, sys, "cannot replace \"%s\"", path);
    }
    return sync_parent(path, err);
}

bool file_exists(const char *path)
{
    return access(path, F_OK) == 0;
}

int dir_make(const char *path, mode_t mode, struct error **err)
{
    CLEANUP(str) char *copy = xstrdup(path);

    for (char *p = copy + 1;; p++) {
        if (*p != '/' && *p != '\0')
            continue;

        char was = *p;

        *p = '\0';
        if (mkdir(copy, mode) == -1 && errno != EEXIST)
            return error_sys(err, errno, "cannot make folder \"%s\"", copy);
        if (was == '\0')
            break;
        *p = was;
    }

    struct stat st;
    if (stat(path, &st) == -1)
        return error_sys(err, errno, "cannot look at \"%s\"", path);
    if (!S_ISDIR(st.st_mode))
        return error_sys(err, ENOTDIR, "\"%s\"", path);
    return 0;
}

static int remove_at(int dir_fd, const char *name, dev_t device, int depth, struct error **err);

static int remove_entries(int fd, dev_t device, int depth, struct error **err)
{
    DIR *dir = fdopendir(fd);
    int result = 0;

    if (dir == NULL) {
        close(fd);
        return error_sys(err, errno, "cannot read a folder");
    }
    for (struct dirent *entry; result == 0 && (errno = 0, entry = readdir(dir)) != NULL;)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            result = remove_at(dirfd(dir), entry->d_name, device, depth + 1, err);
    closedir(dir);
    return result;
}

static int remove_at(int dir_fd, const char *name, dev_t device, int depth, struct error **err)
{
    struct stat st;

    if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == -1)
        return errno == ENOENT ? 0 : error_sys(err, errno, "cannot look at \"%s\"", name);
    if (depth > 0 && st.st_dev != device)
        return error_set(err, ERROR_BUSY, "something is mounted on \"%s\"", name);
    if (depth > DIR_REMOVE_DEPTH_MAX)
        return error_set(err, ERROR_INVALID, "folders nest deeper than %d", DIR_REMOVE_DEPTH_MAX);
    if (!S_ISDIR(st.st_mode)) {
        if (unlinkat(dir_fd, name, 0) == -1 && errno != ENOENT)
            return error_sys(err, errno, "cannot remove \"%s\"", name);
        return 0;
    }

    int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd == -1)
        return error_sys(err, errno, "cannot open folder \"%s\"", name);
    if (remove_entries(fd, st.st_dev, depth, err) == -1)
        return error_wrap(err, "%s", name);
    if (unlinkat(dir_fd, name, AT_REMOVEDIR) == -1 && errno != ENOENT)
        return error_sys(err, errno, "cannot remove folder \"%s\"", name);
    return 0;
}

int dir_remove(const char *path, struct error **err)
{
    return remove_at(AT_FDCWD, path, 0, 0, err);
}

char *dir_make_temp(const char *prefix, struct error **err)
{
    CLEANUP(str) char *path = xasprintf("%sXXXXXX", prefix);

    if (mkdtemp(path) == NULL) {
        error_sys(err, errno, "cannot make a folder \"%s...\"", prefix);
        return NULL;
    }
    return steal(&path);
}

int fd_read_all(int fd, void *data, size_t len, const char *what, struct error **err)
{
    for (char *to = data; len > 0;) {
        ssize_t got = read(fd, to, len);

        if (got == -1 && errno == EINTR)
            continue;
        if (got == -1)
            return error_sys(err, errno, "cannot read \"%s\"", what);
        if (got == 0)
            return error_set(err, ERROR_CORRUPT, "\"%s\" ends %zu bytes early", what, len);
        to += got;
        len -= (size_t)got;
    }
    return 0;
}

int fd_write_all(int fd, const void *data, size_t len, const char *what, struct error **err)
{
    for (const char *from = data; len > 0;) {
        ssize_t done = write(fd, from, len);

        if (done == -1 && errno == EINTR)
            continue;
        if (done == -1)
            return error_sys(err, errno, "cannot write \"%s\"", what);
        from += done;
        len -= (size_t)done;
    }
    return 0;
}

int fd_pread_all(int fd, void *data, size_t len, uint64_t offset, const char *what,
                 struct error **err)
{
    for (char *to = data; len > 0;) {
        ssize_t got = pread(fd, to, len, (off_t)offset);

        if (got == -1 && errno == EINTR)
            continue;
        if (got == -1)
            return error_sys(err, errno, "cannot read \"%s\" at %llu", what,
                             (unsigned long long)offset);
        if (got == 0)
            return error_set(err, ERROR_CORRUPT, "\"%s\" ends at %llu, %zu bytes early", what,
                             (unsigned long long)offset, len);
        to += got;
        offset += (uint64_t)got;
        len -= (size_t)got;
    }
    return 0;
}

int fd_pwrite_all(int fd, const void *data, size_t len, uint64_t offset, const char *what,
                  struct error **err)
{
    for (const char *from = data; len > 0;) {
        ssize_t done = pwrite(fd, from, len, (off_t)offset);

        if (done == -1 && errno == EINTR)
            continue;
        if (done == -1)
            return error_sys(err, errno, "cannot write \"%s\" at %llu", what,
                             (unsigned long long)offset);
        from += done;
        offset += (uint64_t)done;
        len -= (size_t)done;
    }
    return 0;
}

int fd_set_nonblocking(int fd, struct error **err)
{
    int flags = fcntl(fd, F_GETFL);

    if (flags == -1 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) == -1)
        return error_sys(err, errno, "cannot make a descriptor non-blocking");
    return 0;
}

char *path_join(const char *dir, const char *name)
{
    return xasprintf("%s/%s", dir, name);
}

const char *path_base(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash == NULL ? path : slash + 1;
}

bool path_ends_with(const char *path, const char *wanted)
{
    size_t len = 0, end = 0;

    wanted += strspn(wanted, "/");
    len = strlen(path);
    end = strlen(wanted);
    return len >= end && strcmp(path + len - end, wanted) == 0 &&
           (len == end || path[len - end - 1] == '/');
}

bool path_is_plain_relative(const char *path, size_t len)
{
    struct span rest = {path, len}, part;

    if (len == 0 || memchr(path, '\0', len) != NULL)
        return false;
    while (span_split(&rest, '/', &part))
        if (part.len == 0 || span_eq_str(part, ".") || span_eq_str(part, ".."))
            return false;
    return true;
}
