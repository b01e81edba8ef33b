#include "disk/blob.h"

#include "base/error.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "disk/blob_member.h"
#include "disk/tar.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

struct file_blob {
    struct blob blob;
    int fd;
    bool has_holes; /* SEEK_DATA means something */
    struct blob_piece_list pieces; /* in order, without gaps; at least one */
};

static void file_close(struct blob *blob)
{
    struct file_blob *file = (struct file_blob *)blob;

    close(file->fd);
    blob_piece_list_reset(&file->pieces);
    free(file);
}

static int file_read_at(struct blob *blob, void *data, size_t len, uint64_t offset,
                        struct error **err)
{
    struct file_blob *file = (struct file_blob *)blob;
    char *to = data;

    while (len > 0) {
        const struct blob_piece *piece = blob_piece_find(&file->pieces, offset);
        uint64_t inside = offset - piece->offset;
        size_t part = piece->length - inside < len ? (size_t)(piece->length - inside) : len;

        if (fd_pread_all(file->fd, to, part, piece->file_offset + inside, blob->name, err) == -1)
            return -1;
        to += part;
        len -= part;
        offset += part;
    }
    return 0;
}

static int file_extents(struct blob *blob, uint64_t offset, uint64_t length,
                        struct extent_list *list, struct error **err)
{
    struct file_blob *file = (struct file_blob *)blob;
    const struct blob_piece *piece = blob_piece_find(&file->pieces, offset);
    uint64_t at = piece->file_offset + (offset - piece->offset);
    uint64_t left = piece->length - (offset - piece->offset);

    if (left < length)
        length = left;
    if (!file->has_holes) {
        extent_list_add(list, offset, length, EXTENT_DATA);
        return 0;
    }

    off_t data = lseek(file->fd, (off_t)at, SEEK_DATA);
    if (data == -1 && errno == ENXIO) { /* nothing but a hole up to the end */
        extent_list_add(list, offset, length, EXTENT_ZERO);
        return 0;
    }
    if (data == -1)
        return error_sys(err, errno, "cannot look for data in \"%s\" at byte %" PRIu64, blob->name,
                         at);
    uint64_t hole = (uint64_t)data - at < length ? (uint64_t)data - at : length;
    extent_list_add(list, offset, hole, EXTENT_ZERO);
    if (hole == length)
        return 0;

    off_t end = lseek(file->fd, data, SEEK_HOLE);
    if (end == -1)
        return error_sys(err, errno, "cannot look for holes in \"%s\" at byte %" PRIu64,
                         blob->name, (uint64_t)data);
    uint64_t full = (uint64_t)(end - data) < length - hole ? (uint64_t)(end - data) : length - hole;
    extent_list_add(list, offset + hole, full, EXTENT_DATA);
    return 0;
}

static int file_locate(struct blob *blob, uint64_t offset, uint64_t *file_offset)
{
    struct file_blob *file = (struct file_blob *)blob;

    if (file->pieces.len != 1)
        return -1;
    *file_offset = file->pieces.ptr[0].file_offset + offset;
    return file->fd;
}

static const struct blob_ops file_ops = {
    .kind = "file",
    .close = file_close,
    .read = file_read_at,
    .extents = file_extents,
    .locate = file_locate,
};

/* Without O_NONBLOCK opening a pipe, which an image may name, would wait for somebody who writes; on
 * files and block devices it changes nothing. */
enum { OPEN_FLAGS = O_RDONLY | O_CLOEXEC | O_NONBLOCK };

/* The size of a regular file or block device. */
static int look_at(int fd, const char *name, uint64_t *size, bool *has_holes, struct error **err)
{
    struct stat st;

    if (fstat(fd, &st) == -1)
        return error_sys(err, errno, "cannot look at \"%s\"", name);
    if (S_ISBLK(st.st_mode)) {
        if (ioctl(fd, BLKGETSIZE64, size) == -1)
            return error_sys(err, errno, "cannot ask for the size of \"%s\"", name);
        *has_holes = false;
        return 0;
    }
    if (!S_ISREG(st.st_mode))
        return error_set(err, ERROR_INVALID, "\"%s\" is neither a file nor a block device", name);
    *size = (uint64_t)st.st_size;
    *has_holes = lseek(fd, 0, SEEK_HOLE) != -1 || errno == ENXIO;
    return 0;
}

/* Makes the blob of a descriptor, which it takes on success. */
static int wrap_fd(int *fd, const char *name, struct blob **out, struct error **err)
{
    uint64_t size;
    bool has_holes;

    if (look_at(*fd, name, &size, &has_holes, err) == -1)
        return -1;
    struct file_blob *file = xcalloc(1, sizeof(*file));
    file->blob = (struct blob){.ops = &file_ops, .name = xstrdup(name), .size_bytes = size};
    file->fd = steal_fd(fd);
    file->has_holes = has_holes;
    blob_piece_list_push(&file->pieces, (struct blob_piece){.length = size});
    *out = &file->blob;
    return 0;
}

int blob_file_open(const char *path, struct blob **out, struct error **err)
{
    CLEANUP(fd) int fd = open(path, OPEN_FLAGS);

    if (fd == -1)
        return error_sys(err, errno, "cannot open \"%s\"", path);
    return wrap_fd(&fd, path, out, err);
}

int blob_file_open_beneath(const char *dir, const char *name, struct blob **out, struct error **err)
{
    CLEANUP(fd) int dir_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    struct open_how how = {.flags = OPEN_FLAGS, .resolve = RESOLVE_BENEATH};
    CLEANUP(str) char *path = path_join(dir, name);

    if (dir_fd == -1)
        return error_sys(err, errno, "cannot open folder \"%s\"", dir);
    CLEANUP(fd) int fd = (int)syscall(SYS_openat2, dir_fd, name, &how, sizeof(how));
    if (fd == -1 && (errno == EXDEV || errno == ELOOP)) {
        error_set(err, ERROR_DENIED, "\"%s\" leads out of its folder", path);
        return error_hint(err, "use --allow-paths if the image is trusted");
    }
    if (fd == -1)
        return error_sys(err, errno, "cannot open \"%s\"", path);
    return wrap_fd(&fd, path, out, err);
}

int blob_member_open(const char *path, const char *member, struct blob **out, struct error **err)
{
    CLEANUP(tar_index) struct tar_index index = {0};
    CLEANUP(fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct blob_piece_list pieces = {0};
    uint64_t size;

    if (fd == -1)
        return error_sys(err, errno, "cannot open \"%s\"", path);
    if (tar_index_read_fd(fd, &index, err) == -1 ||
        blob_pieces_of(&index, member, &pieces, &size, err) == -1)
        return error_wrap(err, "OVA \"%s\"", path);

    struct file_blob *file = xcalloc(1, sizeof(*file));
    file->blob = (struct blob){
        .ops = &file_ops, .name = xasprintf("%s#%s", path, member), .size_bytes = size};
    file->fd = steal_fd(&fd);
    file->has_holes = false; /* whole blocks of a tar file are hardly ever holes */
    file->pieces = pieces;
    *out = &file->blob;
    return 0;
}
