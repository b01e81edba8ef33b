/* qcow2 images that need nothing but themselves, and compressed ones above all.
 *
 * Through QEMU they are read by one thread with zlib; here each worker unpacks its own clusters with
 * libdeflate or zstd.  What is encrypted, keeps its data elsewhere or has features that are not
 * known here is left to QEMU (disk/qemu.c).
 *
 * Tables are read as needed, in pieces, so that memory does not depend on the disk's size.  For
 * src/disk only.  May use: base, disk/blob.h.  Threads: as disk/disk.h.
 */
#pragma once

#include "disk/format.h"
#include "disk/qcow2_header.h"

/* Reads and checks BLOB's header. */
int qcow2_header_read(struct blob *blob, struct qcow2_header *header, struct error **err);

/* True if qcow2_open can read the clusters that such an image has. */
bool qcow2_is_readable(const struct qcow2_header *header);

/* The image with this header in BLOB, which is taken on success; a backing file is ignored, what lies
 * in it is EXTENT_ABSENT. */
int qcow2_open(struct blob *blob, const struct qcow2_header *header, struct disk **out,
               struct error **err);
