/* The header of a qcow2 image, by QEMU's docs/interop/qcow2.txt.
 *
 * For src/disk only.  May use: base.  Threads: pure functions, safe anywhere.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;

enum {
    QCOW2_HEADER_BYTES = 112, /* as much as is looked at; shorter headers and images exist */
    QCOW2_MIN_CLUSTER_BITS = 9,
    QCOW2_MAX_CLUSTER_BITS = 21,
    QCOW2_SUBCLUSTERS = 32, /* of a cluster, where there are any */
};

enum qcow2_packing { QCOW2_DEFLATE, QCOW2_ZSTD, QCOW2_PACKING_UNKNOWN };

struct qcow2_header {
    unsigned version; /* 2 or 3 */
    unsigned cluster_bits;
    uint64_t size_bytes;       /* of the disk */
    uint64_t directory_offset; /* bytes in the file; QEMU's L1 table */
    uint64_t directory_entries;
    bool has_backing;     /* unallocated clusters are those of another image */
    bool has_data_file;   /* clusters lie in another file */
    bool is_encrypted;
    bool has_subclusters; /* entries have a second word that says what is stored of the cluster */
    enum qcow2_packing packing; /* of compressed clusters */
    bool has_unknown_features;  /* that one has to understand to read the image */
};

/* Reads the LEN first bytes of an image, QCOW2_HEADER_BYTES or all there are.  On success all fields
 * are within their limits and the directory is large enough for the disk. */
int qcow2_header_parse(const void *data, size_t len, struct qcow2_header *out, struct error **err);
