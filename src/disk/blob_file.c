#include "disk/blob.h"

#include "base/error.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
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

/* A part of the file: the whole of it, a member of a tar file, one of several chunks. */
struct piece {
    uint64_t offset;      /* in the blob */
    uint64_t file_offset; /* in the file */
    uint64_t length;
};

DEFINE_VECTOR(piece_list, struct piece)

struct file_blob {
    struct blob blob;
    int fd;
    bool has_holes; /* SEEK_DATA means something */
    struct piece_list pieces; /* in order, without gaps; at least one */
};

static void file_close(struct blob *blob)
{
    struct file_blob *file = (struct file_blob *)blob;

    close(file->fd);
    piece_list_reset(&file->pieces);
    free(file);
}

/* The piece in which OFFSET lies.  There are few: nearly always one. */
static const struct piece *find_piece(const struct file_blob *file, uint64_t offset)
{
    size_t i = 0;

    while (i + 1 < file->pieces.len &&
           offset - file->pieces.ptr[i].offset >= file->pieces.ptr[i].length)
        i++;
    return &file->pieces.ptr[i];
}

static int file_read_at(struct blob *blob, void *data, size_t len, uint64_t offset,
                        struct error **err)
{
    struct file_blob *file = (struct file_blob *)blob;
    char *to = data;

    while (len > 0) {
        const struct piece *piece = find_piece(file, offset);
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
    const struct piece *piece = find_piece(file, offset);
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
    piece_list_push(&file->pieces, (struct piece){.length = size});
    *out = &file->blob;
    return 0;
}

int blob_file_open(const char *path, struct blob **out, struct error **err)
{
    CLEANUP(fd) int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd == -1)
        return error_sys(err, errno, "cannot open \"%s\"", path);
    return wrap_fd(&fd, path, out, err);
}

int blob_file_open_beneath(const char *dir, const char *name, struct blob **out, struct error **err)
{
    CLEANUP(fd) int dir_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    struct open_how how = {.flags = O_RDONLY | O_CLOEXEC, .resolve = RESOLVE_BENEATH};
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

/* Collects the pieces of MEMBER: itself, or its chunks in order. */
static int find_pieces(const struct tar_index *index, const char *member, struct piece_list *pieces,
                       uint64_t *size, struct error **err)
{
    const struct tar_member *whole = tar_index_find(index, member);

    *size = 0;
    if (whole != NULL) {
        piece_list_push(pieces,
                        (struct piece){.file_offset = whole->offset, .length = whole->size});
        *size = whole->size;
        return 0;
    }
    for (unsigned i = 0; i < BLOB_MAX_CHUNKS; i++) {
        CLEANUP(str) char *name = xasprintf("%s.%09u", member, i);
        const struct tar_member *chunk = tar_index_find(index, name);

        if (chunk == NULL)
            break;
        if (chunk->size > 0)
            piece_list_push(pieces, (struct piece){.offset = *size,
                                                   .file_offset = chunk->offset,
                                                   .length = chunk->size});
        *size += chunk->size; /* members lie inside the file: no overflow */
    }
    if (pieces->len == 0)
        return error_set(err, ERROR_NOT_FOUND, "no member \"%s\"", member);
    return 0;
}

int blob_member_open(const char *path, const char *member, struct blob **out, struct error **err)
{
    CLEANUP(tar_index) struct tar_index index = {0};
    CLEANUP(fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct piece_list pieces = {0};
    uint64_t size;

    if (fd == -1)
        return error_sys(err, errno, "cannot open \"%s\"", path);
    if (tar_index_read_fd(fd, &index, err) == -1 ||
        find_pieces(&index, member, &pieces, &size, err) == -1)
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
