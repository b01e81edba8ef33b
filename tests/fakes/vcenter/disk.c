#include "disk.h"

#include "base/error.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

size_t disk_blocks(const struct disk *disk)
{
    return (size_t)((disk->capacity + DISK_BLOCK - 1) / DISK_BLOCK);
}

static uint64_t block_bytes(const struct disk *disk, size_t block)
{
    uint64_t left = disk->capacity - (uint64_t)block * DISK_BLOCK;

    return left < DISK_BLOCK ? left : DISK_BLOCK;
}

/* Holes of CONTENT stay holes. */
static int copy_content(const char *content, int to, uint64_t capacity, struct error **err)
{
    int from = open(content, O_RDONLY | O_CLOEXEC);
    char *data = xmalloc(DISK_BLOCK);
    int result = from == -1 ? error_sys(err, errno, "cannot open \"%s\"", content) : 0;
    off_t at = 0;

    while (result == 0 && (at = lseek(from, at, SEEK_DATA)) != -1 && (uint64_t)at < capacity) {
        uint64_t left = capacity - (uint64_t)at;
        ssize_t got = pread(from, data, left < DISK_BLOCK ? (size_t)left : DISK_BLOCK, at);

        if (got <= 0)
            break;
        result = fd_pwrite_all(to, data, (size_t)got, (uint64_t)at, "disk", err);
        at += got;
    }
    free(data);
    if (from != -1)
        close(from);
    return result;
}

static int open_layer(const char *path, uint64_t capacity, struct error **err)
{
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    if (fd == -1 || ftruncate(fd, (off_t)capacity) == -1)
        return error_sys(err, errno, "cannot make \"%s\"", path);
    return fd;
}

int disk_init(struct disk *disk, const char *dir, const char *content, struct error **err)
{
    disk->epoch = 1;
    disk->written = xcalloc(disk_blocks(disk) + 1, sizeof(*disk->written));
    if (dir == NULL)
        return 0;
    CLEANUP(str) char *folder = path_join(dir, disk->folder);
    struct disk_layer base = {.path = xasprintf("%s/%s-flat.vmdk", folder, disk->stem)};

    if (mkdir(folder, 0700) == -1 && errno != EEXIST)
        return error_sys(err, errno, "cannot make \"%s\"", folder);
    base.fd = open_layer(base.path, disk->capacity, err);
    if (base.fd == -1)
        return -1;
    disk_layer_list_push(&disk->layers, base);
    return content == NULL ? 0 : copy_content(content, base.fd, disk->capacity, err);
}

static void layer_reset(struct disk_layer *layer)
{
    close(layer->fd);
    if (layer->present != NULL)
        munmap(layer->present, layer->present_bytes);
    free(layer->path);
}

/* What a delta has, in a file, for who reads the disk without us. */
static int map_present(struct disk_layer *layer, size_t blocks, struct error **err)
{
    CLEANUP(str) char *path = xasprintf("%s.present", layer->path);
    CLEANUP(fd) int fd = open_layer(path, blocks + 1, err);

    if (fd == -1)
        return -1;
    layer->present_bytes = blocks + 1;
    layer->present = mmap(NULL, layer->present_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (layer->present != MAP_FAILED)
        return 0;
    layer->present = NULL;
    return error_sys(err, errno, "cannot map \"%s\"", path);
}

/* Writes the descriptors of the deltas, "STEM-000001.vmdk" and so on, as the dummy library reads them
 * (tests/fakes/vixdisklib). */
static int describe_chain(const struct disk *disk, struct error **err)
{
    for (size_t i = 1; i < disk->layers.len; i++) {
        const struct disk_layer *layer = &disk->layers.ptr[i];
        const char *slash = strrchr(layer->path, '/');
        CLEANUP(str) char *path = xasprintf("%.*s/%s-%06zu.vmdk", (int)(slash - layer->path),
                                            layer->path, disk->stem, i);
        CLEANUP(str) char *parent = i == 1 ? xasprintf("%s.vmdk", disk->stem)
                                           : xasprintf("%s-%06zu.vmdk", disk->stem, i - 1);
        CLEANUP(str) char *text = xasprintf("parent=%s\ndata=%s\npresent=%s.present\n", parent,
                                            slash + 1, slash + 1);

        if (file_write(path, text, strlen(text), 0600, err) == -1)
            return -1;
    }
    return 0;
}

void disk_reset(struct disk *disk)
{
    for (size_t i = 0; i < disk->layers.len; i++)
        layer_reset(&disk->layers.ptr[i]);
    disk_layer_list_reset(&disk->layers);
    free(disk->datastore);
    free(disk->folder);
    free(disk->stem);
    free(disk->written);
}

int disk_read_layers(struct disk *disk, size_t layers, void *data, size_t len, uint64_t offset,
              struct error **err)
{
    size_t top = layers == 0 || layers > disk->layers.len ? disk->layers.len : layers;
    char *to = data;

    if (offset > disk->capacity || len > disk->capacity - offset)
        return error_set(err, ERROR_INVALID, "behind the end of the disk");
    while (len > 0) {
        size_t block = (size_t)(offset / DISK_BLOCK);
        uint64_t end = (uint64_t)block * DISK_BLOCK + block_bytes(disk, block);
        size_t part = end - offset < len ? (size_t)(end - offset) : len;
        size_t at = top;

        while (at > 1 && disk->layers.ptr[at - 1].present[block] == 0)
            at--;
        if (top == 0)
            memset(to, 0, part);
        else if (fd_pread_all(disk->layers.ptr[at - 1].fd, to, part, offset, "disk", err) == -1)
            return -1;
        to += part;
        offset += part;
        len -= part;
    }
    return 0;
}

/* The part of one block. */
static int write_block(struct disk *disk, const char *data, size_t len, uint64_t offset,
                       struct error **err)
{
    struct disk_layer *layer = &disk->layers.ptr[disk->layers.len - 1];
    size_t block = (size_t)(offset / DISK_BLOCK);
    uint64_t start = (uint64_t)block * DISK_BLOCK;

    if (layer->present != NULL && layer->present[block] == 0) { /* a whole block comes up first */
        size_t size = (size_t)block_bytes(disk, block);
        char *old = xmalloc(size);
        int result = disk_read_layers(disk, 0, old, size, start, err);

        if (result == 0)
            result = fd_pwrite_all(layer->fd, old, size, start, "disk", err);
        free(old);
        if (result == -1)
            return -1;
        layer->present[block] = 1;
    }
    disk->written[block] = disk->epoch;
    return fd_pwrite_all(layer->fd, data, len, offset, "disk", err);
}

int disk_write(struct disk *disk, const void *data, size_t len, uint64_t offset, struct error **err)
{
    const char *from = data;

    if (disk->layers.len == 0 || offset > disk->capacity || len > disk->capacity - offset)
        return error_set(err, ERROR_INVALID, "no place for %zu bytes", len);
    while (len > 0) {
        uint64_t room = DISK_BLOCK - offset % DISK_BLOCK;
        size_t part = room < len ? (size_t)room : len;

        if (write_block(disk, from, part, offset, err) == -1)
            return -1;
        from += part;
        offset += part;
        len -= part;
    }
    return 0;
}

int disk_add_layer(struct disk *disk, struct error **err)
{
    disk->epoch++;
    if (disk->layers.len == 0)
        return 0;
    CLEANUP(str) char *stem = xstrdup(disk->layers.ptr[0].path);
    struct disk_layer layer = {0};

    stem[strlen(stem) - strlen("-flat.vmdk")] = '\0';
    layer.path = xasprintf("%s-%06zu-delta.vmdk", stem, (size_t)disk->epoch);
    layer.fd = open_layer(layer.path, disk->capacity, err);
    if (layer.fd == -1) {
        free(layer.path);
        return -1;
    }
    if (map_present(&layer, disk_blocks(disk), err) == -1) {
        layer_reset(&layer);
        return -1;
    }
    disk_layer_list_push(&disk->layers, layer);
    return describe_chain(disk, err);
}

int disk_merge_layer(struct disk *disk, size_t at, struct error **err)
{
    if (at + 1 >= disk->layers.len)
        return 0;
    struct disk_layer *to = &disk->layers.ptr[at], *from = &disk->layers.ptr[at + 1];
    char *data = xmalloc(DISK_BLOCK);
    int result = 0;

    for (size_t block = 0; result == 0 && block < disk_blocks(disk); block++) {
        size_t size = (size_t)block_bytes(disk, block);
        uint64_t offset = (uint64_t)block * DISK_BLOCK;

        if (from->present[block] == 0)
            continue;
        result = fd_pread_all(from->fd, data, size, offset, "disk", err);
        if (result == 0)
            result = fd_pwrite_all(to->fd, data, size, offset, "disk", err);
        if (to->present != NULL)
            to->present[block] = 1;
    }
    free(data);
    if (result == -1)
        return -1;
    CLEANUP(str) char *present = xasprintf("%s.present", from->path);
    unlink(present);
    unlink(from->path);
    layer_reset(from);
    memmove(from, from + 1, (disk->layers.len - at - 2) * sizeof(*from));
    disk->layers.len--;
    return describe_chain(disk, err);
}

int disk_grow(struct disk *disk, uint64_t capacity, struct error **err)
{
    size_t before = disk_blocks(disk);

    if (capacity < disk->capacity || disk->layers.len > 1)
        return error_set(err, ERROR_INVALID, "a disk with snapshots does not grow");
    disk->capacity = capacity;
    disk->written =
        xreallocarray(disk->written, disk_blocks(disk) + 1, sizeof(*disk->written));
    memset(disk->written + before, 0, (disk_blocks(disk) - before) * sizeof(*disk->written));
    if (disk->layers.len == 1 && ftruncate(disk->layers.ptr[0].fd, (off_t)capacity) == -1)
        return error_sys(err, errno, "cannot grow \"%s\"", disk->layers.ptr[0].path);
    return 0;
}

uint32_t *disk_copy_epochs(const struct disk *disk)
{
    size_t size = disk_blocks(disk) * sizeof(*disk->written);
    uint32_t *copy = xmalloc(size + 1);

    memcpy(copy, disk->written, size);
    return copy;
}
