/* The text part of a VMDK: kind, extent files, and the link to the parent image.
 *
 * Written from VMware's "Virtual Disk Format 5.0".  May use: base.  Threads: no shared state.
 */
#pragma once

#include "base/cleanup.h"
#include "base/vector.h"

#include <stddef.h>
#include <stdint.h>

struct error;

enum {
    VMDK_MAX_DESCRIPTOR = 1 << 20, /* bytes of text */
    VMDK_MAX_LINE = 4096,          /* bytes of one line that means something */
};

#define VMDK_NO_PARENT UINT32_MAX /* parentCID of an image that stands alone */
#define VMDK_MAX_SECTORS (UINT64_C(1) << 43) /* 4 PiB; vSphere ends at 62 TiB */

enum vmdk_part_kind {
    VMDK_PART_FLAT,     /* FLAT, VMFS: the bytes as they are */
    VMDK_PART_SPARSE,   /* SPARSE: hosted sparse */
    VMDK_PART_COWD,     /* VMFSSPARSE */
    VMDK_PART_SESPARSE, /* SESPARSE */
    VMDK_PART_ZERO,     /* ZERO: no file */
};

struct vmdk_part {
    enum vmdk_part_kind kind;
    uint64_t sectors;
    uint64_t offset; /* sectors in the file, FLAT only */
    char *file;      /* as written; NULL with ZERO */
};

DEFINE_VECTOR(vmdk_part_list, struct vmdk_part)

struct vmdk_descriptor {
    char *create_type; /* "streamOptimized", ...; never NULL once parsed */
    uint32_t cid;
    uint32_t parent_cid;
    char *parent_hint; /* file of the parent, or NULL */
    struct vmdk_part_list parts;
};

/* Reads LEN bytes of text; a NUL ends it.  Unknown keys are passed over; a part of a kind that is
 * no file of bytes (a raw device mapping) is ERROR_UNSUPPORTED.  Errors name the line. */
int vmdk_descriptor_parse(const char *text, size_t len, struct vmdk_descriptor *out,
                          struct error **err);

void vmdk_descriptor_reset(struct vmdk_descriptor *descriptor);

DEFINE_CLEANUP_IN_PLACE(vmdk_descriptor, struct vmdk_descriptor, vmdk_descriptor_reset)
