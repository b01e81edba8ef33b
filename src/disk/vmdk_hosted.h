/* The header of hosted sparse VMDKs and its checks, for reading at random and front to back.
 *
 * For src/disk only.  May use: base.  Threads: pure functions.
 */
#pragma once

#include <stdint.h>

struct error;

enum {
    VMDK_SECTOR = 512,
    VMDK_FLAG_NEWLINE_TEST = 1 << 0,
    VMDK_FLAG_ZERO_ENTRIES = 1 << 2,
    VMDK_FLAG_COMPRESSED = 1 << 16,
    VMDK_FLAG_MARKERS = 1 << 17,
};

#define VMDK_DIRECTORY_AT_END UINT64_MAX

/* Numbers are little endian, sizes and offsets in sectors. */
struct vmdk_hosted_header {
    char magic[4];
    uint32_t version;
    uint32_t flags;
    uint64_t capacity;
    uint64_t grain;
    uint64_t descriptor_offset;
    uint64_t descriptor_size;
    uint32_t table_entries;
    uint64_t second_directory;
    uint64_t directory;
    uint64_t overhead;
    uint8_t unclean;
    char newlines[4];
    uint16_t compression; /* 0 none, 1 deflate */
    uint8_t padding[433];
} __attribute__((packed));

/* Checks magic, version, compression and that sizes are within the limits. */
int vmdk_hosted_check(const struct vmdk_hosted_header *header, struct error **err);
