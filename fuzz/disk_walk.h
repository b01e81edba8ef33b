/* What a fuzz target does with a disk that could be opened.
 *
 * May use: base, disk.  Threads: one. */
#pragma once

#include "base/error.h"
#include "base/mem.h"
#include "disk/blob_memory.h"
#include "disk/disk.h"
#include "disk/format.h"

#include <stdint.h>
#include <string.h>

enum { WALK_READ_BYTES = 256 * 1024, WALK_AREAS = 16 };

static inline void disk_walk_read(struct disk *disk, uint64_t offset, uint64_t length)
{
    static char to[WALK_READ_BYTES];
    CLEANUP(error) struct error *err = NULL;
    size_t part = length < sizeof(to) ? (size_t)length : sizeof(to);

    if (disk_read(disk, to, part, offset, &err) == -1 && err == NULL)
        __builtin_trap();
}

/* Reads the start, the end, and where the disk says that something is stored; its areas must cover
 * it in order without gaps. */
static inline void disk_walk(struct disk *disk)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(extent_list) struct extent_list list = {0};
    uint64_t size = disk_size(disk);
    uint64_t part = size < WALK_READ_BYTES ? size : WALK_READ_BYTES;
    uint64_t at = 0;

    disk_walk_read(disk, 0, part);
    disk_walk_read(disk, size - part, part);
    if (size == 0 || disk_extents(disk, 0, size, &list, &err) == -1)
        return;
    for (size_t i = 0; i < list.len; i++) {
        if (list.ptr[i].offset != at || list.ptr[i].length == 0 || list.ptr[i].length > size - at)
            __builtin_trap();
        at += list.ptr[i].length;
        if (i < WALK_AREAS)
            disk_walk_read(disk, list.ptr[i].offset, list.ptr[i].length);
    }
    if (at == 0)
        __builtin_trap();
}

/* Opens the LEN bytes at DATA as a VMDK, its first MAGIC_LEN bytes replaced by MAGIC, and walks over
 * it.  No image may reach another file: the folder does not exist. */
static inline void disk_walk_vmdk(const uint8_t *data, size_t len, const void *magic,
                                  size_t magic_len)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(disk) struct disk *disk = NULL;

    if (len < magic_len)
        return;
    CLEANUP(str) char *image = xmemdup(data, len);
    memcpy(image, magic, magic_len);
    if (vmdk_open("/nonexistent/fuzz.vmdk", blob_memory_open(image, len), &(struct disk_options){0},
                  &disk, &err) == 0)
        disk_walk(disk);
    else if (err == NULL)
        __builtin_trap();
    disk_close(steal(&disk)); /* before the image, which it borrows */
}
