/* Disks stored as grains found through a directory of tables: all sparse kinds of VMDK.
 *
 * Tables are read as needed, so that opening costs nothing and memory does not depend on the
 * disk's size.  For src/disk only.  May use: base, disk/blob.h.  Threads: as disk/disk.h.
 */
#pragma once

#include "disk/format.h"

enum grain_style {
    GRAIN_HOSTED,   /* 32-bit sector numbers; streamOptimized packs grains */
    GRAIN_COWD,     /* the same, ESXi's redo logs */
    GRAIN_SESPARSE, /* 64-bit entries with a kind in the top four bits */
};

/* Where things are; all checked against the limits by grain_open. */
struct grain_layout {
    enum grain_style style;
    uint64_t size_bytes;       /* of the disk */
    uint64_t grain_bytes;
    uint64_t table_entries;
    uint64_t directory_offset; /* bytes in the file, as the next two */
    uint64_t tables_offset;    /* SESPARSE */
    uint64_t grains_offset;    /* SESPARSE */
    bool zero_entries;         /* HOSTED: entry 1 is a grain of zeroes */
    bool is_packed;            /* grains are deflated, with a header */
    bool has_markers;          /* the header holds the grain's sector too */
};

/* The disk of this layout in BLOB, which is taken on success. */
int grain_open(struct blob *blob, const struct grain_layout *layout, struct disk **out,
               struct error **err);
