/* What a disk format provides, and the formats there are.  For src/disk only.
 *
 * May use: base, disk/blob.h.  Threads: as disk/disk.h.
 */
#pragma once

#include "disk/blob.h"
#include "disk/disk.h"
#include "disk/extent.h"

/* All are required. */
struct disk_ops {
    void (*close)(struct disk *disk);

    /* As disk_extents, disk_read; ranges lie inside the disk and are never empty. */
    int (*extents)(struct disk *disk, uint64_t offset, uint64_t length, struct extent_list *list,
                   struct error **err);
    int (*read)(struct disk *disk, void *data, size_t len, uint64_t offset, struct error **err);

    /* As disk_plain_fd. */
    int (*plain_fd)(struct disk *disk, uint64_t *file_offset);
};

/* Embedded as the first member by each format. */
struct disk {
    const struct disk_ops *ops;
    const char *format; /* static text */
    uint64_t size_bytes;
    bool is_remote;
    unsigned latency_us;
    bool is_packed;
};

/* What an image's first bytes say. */
enum image_kind {
    IMAGE_RAW,
    IMAGE_VMDK_SPARSE,     /* "KDMV" */
    IMAGE_VMDK_COWD,       /* "COWD" */
    IMAGE_VMDK_SESPARSE,   /* 0xcafebabe */
    IMAGE_VMDK_DESCRIPTOR, /* "# Disk DescriptorFile" */
    IMAGE_QCOW2,
    IMAGE_VHD,
    IMAGE_VHDX,
    IMAGE_VDI,
    IMAGE_LUKS,
    IMAGE_GZIP,
    IMAGE_ZSTD,
    IMAGE_XZ,
    IMAGE_KIND_COUNT,
};

enum { IMAGE_PROBE_BYTES = 512 };

/* Looks at the first LEN bytes of an image. */
enum image_kind image_probe(const void *data, size_t len);

/* The kind that --source-format calls NAME: "raw", "vmdk", "qcow2", "vpc"/"vhd", "vhdx", "vdi",
 * "luks"; false if there is none.  "vmdk" gives IMAGE_VMDK_SPARSE: look at the content. */
bool image_kind_find(const char *name, enum image_kind *kind);

/* "qcow2"; static text. */
const char *image_kind_name(enum image_kind kind);

/* True for those that one reads front to back only. */
bool image_kind_is_compressed(enum image_kind kind);

/* For ops without a plain file behind them. */
int disk_no_plain_fd(struct disk *disk, uint64_t *file_offset);

/* The blob as it is; takes it. */
struct disk *raw_open(struct blob *blob);

/* LENGTH zeroes. */
struct disk *zero_open(uint64_t length);

/* DISK cut or filled with zeroes to LENGTH bytes, its bytes from OFFSET on; takes it. */
struct disk *window_open(struct disk *disk, uint64_t offset, uint64_t length);

/* Disks one behind the other; takes them, not the array. */
struct disk *concat_open(struct disk **parts, size_t count);

/* TOP where it holds something, BELOW elsewhere, zeroes where BELOW ends; takes both.  BELOW may
 * be an overlay itself, but not TOP. */
struct disk *overlay_open(struct disk *top, struct disk *below);

/* The number of overlays on top of each other. */
size_t overlay_depth(const struct disk *disk);

/* A VMDK whose first or only file is BLOB, opened from SOURCE; takes BLOB, also on failure. */
int vmdk_open(const char *source, struct blob *blob, const struct disk_options *options,
              struct disk **out, struct error **err);

/* The first of the bases that the options name, over the others; it has to be known that there is one.
 * Errors name it. */
int disk_open_base(const struct disk_options *options, struct disk **out, struct error **err);

/* SOURCE, a local file, by a qemu-nbd child. */
int qemu_open(const char *source, enum image_kind kind, const struct disk_options *options,
              struct disk **out, struct error **err);
