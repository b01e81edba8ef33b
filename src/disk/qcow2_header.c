#include "disk/qcow2_header.h"

#include "base/error.h"

#include <endian.h>
#include <inttypes.h>
#include <string.h>

enum {
    VERSION_2_BYTES = 72,
    VERSION_3_BYTES = 104,  /* at least */
    PACKING_OFFSET = 104,   /* of a byte that longer headers have */
    MAX_DIRECTORY = 4 << 20, /* entries: 32 MiB, as QEMU limits it */
    SUBCLUSTER_MIN_BITS = 14, /* a subcluster is a sector or more */
};

enum feature {
    FEATURE_DIRTY = 1 << 0,   /* reference counts may be wrong; they matter to who writes */
    FEATURE_CORRUPT = 1 << 1, /* QEMU found it so; it may still be read */
    FEATURE_DATA_FILE = 1 << 2,
    FEATURE_PACKING = 1 << 3,
    FEATURE_SUBCLUSTERS = 1 << 4,
};

static uint32_t load32(const unsigned char *from)
{
    uint32_t value;

    memcpy(&value, from, sizeof(value));
    return be32toh(value);
}

static uint64_t load64(const unsigned char *from)
{
    uint64_t value;

    memcpy(&value, from, sizeof(value));
    return be64toh(value);
}

static void parse_features(const unsigned char *header, size_t len, struct qcow2_header *out)
{
    const uint64_t known = FEATURE_DIRTY | FEATURE_CORRUPT | FEATURE_DATA_FILE | FEATURE_PACKING |
                           FEATURE_SUBCLUSTERS;
    uint64_t features = load64(header + 72);
    uint32_t header_len = load32(header + 100);

    out->has_data_file = features & FEATURE_DATA_FILE;
    out->has_subclusters = features & FEATURE_SUBCLUSTERS;
    out->has_unknown_features = features & ~known;
    if (features & FEATURE_PACKING && header_len > PACKING_OFFSET && len > PACKING_OFFSET)
        out->packing = header[PACKING_OFFSET] >= QCOW2_PACKING_UNKNOWN
                           ? QCOW2_PACKING_UNKNOWN
                           : (enum qcow2_packing)header[PACKING_OFFSET];
}

/* Checks what all later arithmetic relies on. */
static int check(const struct qcow2_header *header, struct error **err)
{
    unsigned entry_bits = header->has_subclusters ? 4 : 3;
    uint64_t span = UINT64_C(1) << (2 * header->cluster_bits - entry_bits); /* of one table */

    if (header->has_subclusters && header->cluster_bits < SUBCLUSTER_MIN_BITS)
        return error_set(err, ERROR_CORRUPT, "subclusters of clusters of 2^%u bytes",
                         header->cluster_bits);
    if (header->size_bytes > INT64_MAX)
        return error_set(err, ERROR_CORRUPT, "a disk of %" PRIu64 " bytes", header->size_bytes);
    if (header->directory_entries > MAX_DIRECTORY ||
        header->directory_entries < header->size_bytes / span ||
        (header->directory_entries == header->size_bytes / span &&
         header->size_bytes % span != 0))
        return error_set(err, ERROR_CORRUPT,
                         "a directory of %" PRIu64 " entries for a disk of %" PRIu64 " bytes",
                         header->directory_entries, header->size_bytes);
    if (header->directory_offset > INT64_MAX ||
        header->directory_offset % (UINT64_C(1) << header->cluster_bits) != 0)
        return error_set(err, ERROR_CORRUPT, "a directory at byte %" PRIu64,
                         header->directory_offset);
    return 0;
}

int qcow2_header_parse(const void *data, size_t len, struct qcow2_header *out, struct error **err)
{
    const unsigned char *bytes = data;
    struct qcow2_header header = {0};

    if (len < VERSION_2_BYTES || memcmp(bytes, "QFI\xfb", 4) != 0)
        return error_set(err, ERROR_CORRUPT, "no qcow2 header");
    header.version = load32(bytes + 4);
    if (header.version != 2 && header.version != 3)
        return error_set(err, ERROR_UNSUPPORTED, "qcow2 version %u", header.version);
    if (header.version == 3 && len < VERSION_3_BYTES)
        return error_set(err, ERROR_CORRUPT, "a qcow2 header of %zu bytes", len);
    header.has_backing = load64(bytes + 8) != 0;
    header.cluster_bits = load32(bytes + 20);
    header.size_bytes = load64(bytes + 24);
    header.is_encrypted = load32(bytes + 32) != 0;
    header.directory_entries = load32(bytes + 36);
    header.directory_offset = load64(bytes + 40);
    if (header.cluster_bits < QCOW2_MIN_CLUSTER_BITS ||
        header.cluster_bits > QCOW2_MAX_CLUSTER_BITS)
        return error_set(err, ERROR_CORRUPT, "clusters of 2^%u bytes (2^%d to 2^%d)",
                         header.cluster_bits, QCOW2_MIN_CLUSTER_BITS, QCOW2_MAX_CLUSTER_BITS);
    if (header.version == 3)
        parse_features(bytes, len, &header);
    if (check(&header, err) == -1)
        return -1;
    *out = header;
    return 0;
}
