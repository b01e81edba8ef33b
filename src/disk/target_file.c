/* Files and block devices, by one of three ways:
 *
 * past the page cache (O_DIRECT), where the file system allows it: this costs a fifth of the processor
 * time, neither fills memory nor pushes out what others have cached, and making the copy durable at the
 * end takes no time.  Parts that are not aligned go through the page cache;
 *
 * through the page cache without staying there (disk/uncached.h), where the kernel can and the copy has
 * processor time to spare: the file system then lays out large areas at once;
 *
 * through the page cache, where the user wants it or nothing else can be. */
#include "disk/target.h"

#include "base/error.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "disk/uncached.h"
#include "disk/uring.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    ZERO_PIECE = 1 << 20,    /* bytes written at once where zeroes must be stored */
    CACHE_PIECE = 256 << 10, /* into the page cache: see doc/design/copy-engine.md */
};

struct file_target {
    struct target target;
    int fd;
    struct uncached *uncached; /* a way through the page cache, or NULL */
    int direct_fd;             /* the same file with O_DIRECT, or -1 */
    bool is_device;
    bool no_sync;
    bool is_new;         /* its name must be made durable too */
    bool grows;          /* the size is known only at the end */
    uint64_t size_bytes; /* of the destination, with a known size */
    atomic_bool shares;  /* reflinks may be possible */
};

static void file_close(struct target *target)
{
    struct file_target *file = (struct file_target *)target;

    uncached_free(file->uncached);
    if (file->direct_fd != -1)
        close(file->direct_fd);
    close(file->fd);
    free(file);
}

/* Says what to do where the disk is full.  Returns -1. */
static int hint_full(struct error **err)
{
    return (*err)->sys == ENOSPC ? error_hint(err, TARGET_FULL_HINT) : -1;
}

static int write_part(struct file_target *file, int fd, const char *data, size_t len,
                      uint64_t offset, struct error **err)
{
    size_t most = fd == file->fd ? CACHE_PIECE : len;

    while (len > 0) {
        size_t part = len < most ? len : most;

        if (fd_pwrite_all(fd, data, part, offset, file->target.name, err) == -1)
            return hint_full(err);
        data += part;
        offset += part;
        len -= part;
    }
    return 0;
}

/* How many of the LEN bytes can go past the page cache. */
static size_t direct_part(const struct file_target *file, const void *data, size_t len,
                          uint64_t offset)
{
    bool is_possible = file->direct_fd != -1 && (uintptr_t)data % TARGET_ALIGNMENT == 0 &&
                       offset % TARGET_ALIGNMENT == 0;

    return is_possible ? len - len % TARGET_ALIGNMENT : 0;
}

static int file_write_at(struct target *target, const void *data, size_t len, uint64_t offset,
                         struct error **err)
{
    struct file_target *file = (struct file_target *)target;
    size_t direct = direct_part(file, data, len, offset);

    if (file->uncached != NULL)
        return uncached_write(file->uncached, data, len, offset, err) == 0 ? 0 : hint_full(err);
    if (write_part(file, file->direct_fd, data, direct, offset, err) == -1)
        return -1;
    return write_part(file, file->fd, (const char *)data + direct, len - direct, offset + direct,
                      err);
}

/* What goes through the page cache is done at once: the kernel would do it in turn all the same. */
static int file_write_later(struct target *target, struct uring *ring, const void *data, size_t len,
                            uint64_t offset, struct error **err)
{
    struct file_target *file = (struct file_target *)target;
    size_t direct = direct_part(file, data, len, offset);

    if (direct > 0)
        uring_write(ring, file->direct_fd, data, direct, offset);
    return write_part(file, file->fd, (const char *)data + direct, len - direct, offset + direct,
                      err);
}

static int store_zeroes(struct file_target *file, uint64_t offset, uint64_t length,
                        struct error **err)
{
    static const char zeroes[ZERO_PIECE] __attribute__((aligned(TARGET_ALIGNMENT)));

    while (length > 0) {
        size_t part = length < sizeof(zeroes) ? (size_t)length : sizeof(zeroes);

        if (file_write_at(&file->target, zeroes, part, offset, err) == -1)
            return -1;
        offset += part;
        length -= part;
    }
    return 0;
}

/* A hole where there can be one; a device unmaps or clears the blocks, in the kernel. */
static int file_zero(struct target *target, uint64_t offset, uint64_t length, struct error **err)
{
    struct file_target *file = (struct file_target *)target;
    int mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
    int result;

    do
        result = fallocate(file->fd, mode, (off_t)offset, (off_t)length);
    while (result == -1 && errno == EINTR);
    if (result == -1 && file->is_device && (errno == EOPNOTSUPP || errno == ENOTTY))
        do
            result = fallocate(file->fd, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, (off_t)offset,
                               (off_t)length);
        while (result == -1 && errno == EINTR);
    if (result == 0)
        return 0;
    if (errno == EOPNOTSUPP || errno == ENOTTY || errno == EINVAL)
        return store_zeroes(file, offset, length, err);
    return error_sys(err, errno, "cannot clear \"%s\" at %" PRIu64, target->name, offset);
}

/* Sharing works on btrfs, XFS and their like, inside one file system, for whole blocks.  Parts that
 * are no whole blocks (EINVAL) say nothing of the others. */
static bool file_share(struct target *target, int fd, uint64_t from, uint64_t offset,
                       uint64_t length)
{
    struct file_target *file = (struct file_target *)target;
    struct file_clone_range range = {
        .src_fd = fd, .src_offset = from, .src_length = length, .dest_offset = offset};

    if (!file->shares)
        return false;
    if (ioctl(file->fd, FICLONERANGE, &range) == 0)
        return true;
    if (errno != EINVAL && errno != EINTR)
        file->shares = false;
    return false;
}

static int file_sync(struct target *target, struct error **err)
{
    struct file_target *file = (struct file_target *)target;

    if (file->no_sync || fdatasync(file->fd) == 0)
        return 0;
    error_sys(err, errno, "cannot make \"%s\" durable", target->name);
    return hint_full(err);
}

static int sync_folder(const char *path, struct error **err)
{
    CLEANUP(str) char *folder = NULL;
    const char *slash = strrchr(path, '/');

    folder = slash == NULL ? xstrdup(".")
                           : xstrndup(path, slash == path ? 1 : (size_t)(slash - path));
    CLEANUP(fd) int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd == -1 || fsync(fd) == -1)
        return error_sys(err, errno, "cannot make the name \"%s\" durable", path);
    return 0;
}

static int file_finish(struct target *target, uint64_t size_bytes, struct error **err)
{
    struct file_target *file = (struct file_target *)target;

    if (file->grows && !file->is_device && ftruncate(file->fd, (off_t)size_bytes) == -1)
        return error_sys(err, errno, "cannot set the size of \"%s\"", target->name);
    if (file_sync(target, err) == -1)
        return -1;
    return file->is_new && !file->no_sync ? sync_folder(target->name, err) : 0;
}

/* Checks a device's size. */
static int prepare_device(struct file_target *file, uint64_t size_bytes, struct error **err)
{
    if (ioctl(file->fd, BLKGETSIZE64, &file->size_bytes) == -1)
        return error_sys(err, errno, "cannot ask for the size of \"%s\"", file->target.name);
    if (!file->grows && file->size_bytes < size_bytes)
        return error_set(err, ERROR_INVALID,
                         "\"%s\" has %" PRIu64 " bytes, the disk %" PRIu64, file->target.name,
                         file->size_bytes, size_bytes);
    return 0;
}

/* Gives a regular file its size and, unless its content is kept, empties it. */
static int prepare_file(struct file_target *file, uint64_t old_size, uint64_t size_bytes,
                        const struct target_options *options, struct error **err)
{
    uint64_t size = file->grows ? 0 : size_bytes;

    if ((options->keep_size || options->keep_content) && old_size > size)
        size = old_size;
    if (size > INT64_MAX)
        return error_set(err, ERROR_INVALID, "a file cannot have %" PRIu64 " bytes", size);
    if (!options->keep_content && old_size > 0 && ftruncate(file->fd, 0) == -1)
        return error_sys(err, errno, "cannot empty \"%s\"", file->target.name);
    if (ftruncate(file->fd, (off_t)size) == -1)
        return error_sys(err, errno, "cannot set the size of \"%s\" to %" PRIu64,
                         file->target.name, size);
    file->target.reads_zero |= !options->keep_content || old_size == 0;
    file->size_bytes = size;
    return 0;
}

/* Chooses the way for data.  Not having O_DIRECT is a failure only where it was asked for. */
static int choose_way(struct file_target *file, const struct target_options *options,
                       struct error **err)
{
    CLEANUP(str) char *self = NULL;

    file->direct_fd = -1;
    if (options->buffered)
        return 0;
    if (options->is_plain && !options->direct && !file->is_device)
        file->uncached = uncached_new(file->fd, file->target.name);
    if (file->uncached != NULL)
        return 0;
    self = xasprintf("/proc/self/fd/%d", file->fd);
    file->direct_fd = open(self, O_WRONLY | O_DIRECT | O_CLOEXEC);
    if (file->direct_fd == -1 && options->direct)
        return error_sys(err, errno, "cannot write \"%s\" past the page cache",
                         file->target.name);
    return 0;
}

int target_file_open(const char *path, uint64_t size_bytes, const struct target_options *options,
                     struct target **out, struct error **err)
{
    static const struct target_ops ops = {file_close,  file_write_at,    file_zero, file_sync,
                                          file_finish, file_write_later, file_share};
    CLEANUP(target) struct target *target = NULL;
    struct stat st;
    bool is_new = stat(path, &st) == -1;
    /* On a block device O_EXCL refuses one that is mounted or otherwise in use. */
    int flags = O_RDWR | O_CLOEXEC | (is_new ? O_CREAT | O_EXCL : 0) |
                (!is_new && S_ISBLK(st.st_mode) ? O_EXCL : 0);
    int fd = open(path, flags, 0666);

    if (fd == -1)
        return error_sys(err, errno, "cannot open \"%s\" for writing", path);
    struct file_target *file = xcalloc(1, sizeof(*file));
    file->target = (struct target){
        .ops = &ops, .name = xstrdup(path), .reads_zero = options->is_zero};
    file->fd = fd;
    file->direct_fd = -1;
    file->no_sync = options->no_sync;
    file->is_new = is_new;
    file->grows = size_bytes == TARGET_SIZE_UNKNOWN;
    target = &file->target;

    if (fstat(fd, &st) == -1)
        return error_sys(err, errno, "cannot look at \"%s\"", path);
    file->is_device = S_ISBLK(st.st_mode);
    file->shares = S_ISREG(st.st_mode);
    if (!file->is_device && !S_ISREG(st.st_mode))
        return error_set(err, ERROR_INVALID, "\"%s\" is neither a file nor a block device", path);
    if (file->is_device ? prepare_device(file, size_bytes, err) == -1
                        : prepare_file(file, (uint64_t)st.st_size, size_bytes, options, err) == -1)
        return -1;
    if (choose_way(file, options, err) == -1)
        return -1;
    file->target.is_async = file->direct_fd != -1;
    *out = steal(&target);
    return 0;
}
