/* A virtual disk of the fake: a raw file, and above it one file for each snapshot that holds what
 * was written since (64 KiB blocks), as VMware's redo logs do.  Every block remembers when it was
 * written last, so that changes since any snapshot can be told.
 *
 * May use: base.  Threads: the caller locks.
 */
#pragma once

#include "base/cleanup.h"
#include "base/vector.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;

enum { DISK_BLOCK = 64 * 1024 };

/* What was written between two snapshots. */
struct disk_layer {
    int fd;
    char *path;
    uint8_t *present; /* one byte a block, PATH.present mapped; NULL: all are (the base) */
    size_t present_bytes;
};

DEFINE_VECTOR(disk_layer_list, struct disk_layer)

struct disk {
    int key, controller, unit;
    char *datastore;     /* "ds" */
    char *folder, *stem; /* the file is "[ds] FOLDER/STEM.vmdk" */
    uint64_t capacity;
    struct disk_layer_list layers; /* the base first; empty: a disk without content */
    uint32_t *written;             /* the epoch of each block's last write, 0: never */
    uint32_t epoch;                /* of writes from now on, 1 at first */
    unsigned resets;               /* of the change tracking: change ids from before are void */
};

/* Opens DIR/FOLDER/STEM-flat.vmdk with CAPACITY bytes, made from the raw file CONTENT (NULL: all
 * zero).  DIR NULL: no content. */
int disk_init(struct disk *disk, const char *dir, const char *content, struct error **err);
void disk_reset(struct disk *disk);

/* The number of 64 KiB blocks. */
size_t disk_blocks(const struct disk *disk);

/* Reads what is there with the first LAYERS layers only (0: all of them). */
int disk_read_layers(struct disk *disk, size_t layers, void *data, size_t len, uint64_t offset,
              struct error **err);
int disk_write(struct disk *disk, const void *data, size_t len, uint64_t offset,
               struct error **err);

/* Begins a new layer. */
int disk_add_layer(struct disk *disk, struct error **err);
/* Writes layer AT + 1 into layer AT. */
int disk_merge_layer(struct disk *disk, size_t at, struct error **err);

/* Makes the disk larger. */
int disk_grow(struct disk *disk, uint64_t capacity, struct error **err);

/* A copy of the blocks' epochs, owned by the caller. */
uint32_t *disk_copy_epochs(const struct disk *disk);
