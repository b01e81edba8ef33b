/* VMDK: headers, extent files, snapshot chains.  The grains themselves are read by disk/grain.c.
 *
 * Hosted sparse extents and descriptors follow VMware's "Virtual Disk Format 5.0"; COWD is its
 * "ESX Server Sparse Extent"; SE sparse is known from its use in QEMU and VMFS 6. */
#include "disk/format.h"
#include "disk/grain.h"
#include "disk/vmdk_descriptor.h"
#include "disk/vmdk_hosted.h"

#include "base/array.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"

#include <endian.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
    SECTOR = 512,
    FOOTER_BACK = 1024, /* a footer starts so many bytes before the end */
    COWD_TABLE_ENTRIES = 4096,
};

#define SESPARSE_VERSION UINT64_C(0x0000000200000001)

struct cowd_header {
    char magic[4];
    uint32_t version;
    uint32_t flags;
    uint32_t capacity;
    uint32_t grain;
    uint32_t directory;
    uint32_t directory_entries;
    uint32_t next_free;
} __attribute__((packed));

struct sesparse_header {
    uint64_t magic;
    uint64_t version;
    uint64_t capacity;
    uint64_t grain;
    uint64_t table_size;
    uint64_t flags;
    uint64_t reserved[4];
    uint64_t volatile_header[2]; /* offset and size, as all below */
    uint64_t journal_header[2];
    uint64_t journal[2];
    uint64_t directory[2];
    uint64_t tables[2];
    uint64_t free_bitmap[2];
    uint64_t backmap[2];
    uint64_t grains[2];
} __attribute__((packed));

/* One image of a chain. */
struct image {
    struct disk *disk;
    struct vmdk_descriptor descriptor; /* its create_type is NULL if it has none */
};

static void image_reset(struct image *image)
{
    disk_close(image->disk);
    vmdk_descriptor_reset(&image->descriptor);
    *image = (struct image){0};
}

DEFINE_CLEANUP_IN_PLACE(image, struct image, image_reset)

int vmdk_hosted_check(const struct vmdk_hosted_header *header, struct error **err)
{
    uint32_t version = le32toh(header->version);

    if (memcmp(header->magic, "KDMV", 4) != 0)
        return error_set(err, ERROR_CORRUPT, "no VMDK header");
    if (version < 1 || version > 3)
        return error_set(err, ERROR_UNSUPPORTED, "VMDK version %" PRIu32, version);
    if (le32toh(header->flags) & VMDK_FLAG_NEWLINE_TEST &&
        memcmp(header->newlines, "\n \r\n", 4) != 0)
        return error_set(err, ERROR_CORRUPT,
                         "line ends were changed: the file was transferred as text");
    if (le64toh(header->capacity) > VMDK_MAX_SECTORS || le64toh(header->grain) > DISK_MAX_GRAIN)
        return error_set(err, ERROR_CORRUPT,
                         "a capacity of %" PRIu64 " and grains of %" PRIu64 " sectors",
                         le64toh(header->capacity), le64toh(header->grain));
    if (le32toh(header->flags) & VMDK_FLAG_COMPRESSED && le16toh(header->compression) != 1)
        return error_set(err, ERROR_UNSUPPORTED, "VMDK compression %d",
                         le16toh(header->compression));
    return 0;
}

/* The header, or the footer where that has the directory's place. */
static int read_hosted(struct blob *blob, struct vmdk_hosted_header *header, struct error **err)
{
    if (blob_read(blob, header, sizeof(*header), 0, err) == -1 || vmdk_hosted_check(header, err) == -1)
        return error_wrap(err, "header of \"%s\"", blob->name);
    if (header->directory == VMDK_DIRECTORY_AT_END) {
        uint64_t back = blob->size_bytes > FOOTER_BACK ? blob->size_bytes - FOOTER_BACK : 0;
        if (blob_read(blob, header, sizeof(*header), back, err) == -1 ||
            vmdk_hosted_check(header, err) == -1) {
            error_wrap(err, "footer of \"%s\"", blob->name);
            return error_hint(err, "is the file complete?");
        }
    }
    if (le64toh(header->directory) > VMDK_MAX_SECTORS)
        return error_set(err, ERROR_CORRUPT, "\"%s\" has no grain directory", blob->name);
    return 0;
}

static int read_embedded_descriptor(struct blob *blob, const struct vmdk_hosted_header *header,
                                    struct vmdk_descriptor *descriptor, struct error **err)
{
    uint64_t offset = le64toh(header->descriptor_offset);
    uint64_t size = le64toh(header->descriptor_size);

    if (offset == 0 || size == 0)
        return 0;
    if (offset > VMDK_MAX_SECTORS || size > VMDK_MAX_DESCRIPTOR / SECTOR)
        return error_set(err, ERROR_CORRUPT, "descriptor of %" PRIu64 " sectors at %" PRIu64, size,
                         offset);
    size_t len = (size_t)size * SECTOR;
    CLEANUP(str) char *text = xmalloc(len);
    if (blob_read(blob, text, len, offset * SECTOR, err) == -1)
        return -1;
    if (text[0] == '\0') /* room for one, but none written: part of a split disk */
        return 0;
    return vmdk_descriptor_parse(text, len, descriptor, err);
}

/* Opens a hosted sparse extent; takes *BLOB on success. */
static int open_hosted(struct blob **blob, struct image *image, struct error **err)
{
    struct vmdk_hosted_header header;

    if (read_hosted(*blob, &header, err) == -1)
        return -1;
    if (read_embedded_descriptor(*blob, &header, &image->descriptor, err) == -1)
        return error_wrap(err, "image \"%s\"", (*blob)->name);

    uint32_t flags = le32toh(header.flags);
    struct grain_layout layout = {
        .style = GRAIN_HOSTED,
        .size_bytes = le64toh(header.capacity) * SECTOR,
        .grain_bytes = le64toh(header.grain) * SECTOR,
        .table_entries = le32toh(header.table_entries),
        .directory_offset = le64toh(header.directory) * SECTOR,
        .zero_entries = flags & VMDK_FLAG_ZERO_ENTRIES,
        .is_packed = flags & VMDK_FLAG_COMPRESSED,
        .has_markers = flags & VMDK_FLAG_MARKERS,
    };
    if (grain_open(*blob, &layout, &image->disk, err) == -1)
        return -1;
    *blob = NULL;
    return 0;
}

static int open_cowd(struct blob **blob, struct image *image, struct error **err)
{
    struct cowd_header header;

    if (blob_read(*blob, &header, sizeof(header), 0, err) == -1)
        return error_wrap(err, "header of \"%s\"", (*blob)->name);
    if (le32toh(header.version) != 1)
        return error_set(err, ERROR_UNSUPPORTED, "COWD version %" PRIu32,
                         le32toh(header.version));

    struct grain_layout layout = {
        .style = GRAIN_COWD,
        .size_bytes = (uint64_t)le32toh(header.capacity) * SECTOR,
        .grain_bytes = (uint64_t)le32toh(header.grain) * SECTOR,
        .table_entries = COWD_TABLE_ENTRIES,
        .directory_offset = (uint64_t)le32toh(header.directory) * SECTOR,
    };
    if (grain_open(*blob, &layout, &image->disk, err) == -1)
        return -1;
    *blob = NULL;
    return 0;
}

static int open_sesparse(struct blob **blob, struct image *image, struct error **err)
{
    struct sesparse_header header;

    if (blob_read(*blob, &header, sizeof(header), 0, err) == -1)
        return error_wrap(err, "header of \"%s\"", (*blob)->name);
    if (le64toh(header.version) != SESPARSE_VERSION)
        return error_set(err, ERROR_UNSUPPORTED, "SE sparse version 0x%" PRIx64,
                         le64toh(header.version));
    if (le64toh(header.capacity) > VMDK_MAX_SECTORS || le64toh(header.grain) > DISK_MAX_GRAIN ||
        le64toh(header.table_size) > DISK_MAX_GRAIN ||
        le64toh(header.directory[0]) > VMDK_MAX_SECTORS ||
        le64toh(header.tables[0]) > VMDK_MAX_SECTORS ||
        le64toh(header.grains[0]) > VMDK_MAX_SECTORS)
        return error_set(err, ERROR_CORRUPT, "header of \"%s\" has sizes beyond all limits",
                         (*blob)->name);

    struct grain_layout layout = {
        .style = GRAIN_SESPARSE,
        .size_bytes = le64toh(header.capacity) * SECTOR,
        .grain_bytes = le64toh(header.grain) * SECTOR,
        .table_entries = le64toh(header.table_size) * SECTOR / sizeof(uint64_t),
        .directory_offset = le64toh(header.directory[0]) * SECTOR,
        .tables_offset = le64toh(header.tables[0]) * SECTOR,
        .grains_offset = le64toh(header.grains[0]) * SECTOR,
    };
    if (grain_open(*blob, &layout, &image->disk, err) == -1)
        return -1;
    *blob = NULL;
    return 0;
}

/* Opens the file of one part, as its kind says: content is not asked, so that a guest cannot make
 * a flat disk into something else. */
static int open_part_file(const char *source, const struct vmdk_part *part,
                          const struct disk_options *options, struct disk **out,
                          struct error **err)
{
    CLEANUP(blob) struct blob *blob = NULL;
    CLEANUP(image) struct image image = {0};
    int result = -1;

    if (blob_open_sibling(source, part->file, options, &blob, err) == -1)
        return -1;
    switch (part->kind) {
    case VMDK_PART_FLAT:
        image.disk = raw_open(steal(&blob));
        result = 0;
        break;
    case VMDK_PART_SPARSE:
        result = open_hosted(&blob, &image, err);
        break;
    case VMDK_PART_COWD:
        result = open_cowd(&blob, &image, err);
        break;
    case VMDK_PART_SESPARSE:
        result = open_sesparse(&blob, &image, err);
        break;
    case VMDK_PART_ZERO:
        result = error_set(err, ERROR_BUG, "a part without a file");
        break;
    }
    if (result == 0)
        *out = steal(&image.disk);
    return result;
}

static int open_part(const char *source, const struct vmdk_part *part,
                     const struct disk_options *options, struct disk **out, struct error **err)
{
    CLEANUP(disk) struct disk *disk = NULL;
    uint64_t start = part->offset * SECTOR;
    uint64_t length = part->sectors * SECTOR;

    if (part->kind == VMDK_PART_ZERO) {
        *out = zero_open(length);
        return 0;
    }
    if (open_part_file(source, part, options, &disk, err) == -1)
        return error_wrap(err, "extent \"%s\"", part->file);
    if (disk->size_bytes < start || disk->size_bytes - start < length)
        return error_set(err, ERROR_CORRUPT,
                         "extent \"%s\" holds %" PRIu64 " bytes, the descriptor says %" PRIu64,
                         part->file, disk->size_bytes, start + length);
    *out = window_open(steal(&disk), start, length);
    return 0;
}

/* Opens all parts that a descriptor names. */
static int open_parts(const char *source, const struct vmdk_descriptor *descriptor,
                      const struct disk_options *options, struct disk **out, struct error **err)
{
    size_t count = descriptor->parts.len;
    struct disk **parts = xcalloc(count + 1, sizeof(*parts));
    int result = 0;

    for (size_t i = 0; i < count && result == 0; i++)
        result = open_part(source, &descriptor->parts.ptr[i], options, &parts[i], err);
    if (result == 0 && count == 0)
        result = error_set(err, ERROR_CORRUPT, "the descriptor names no extents");
    if (result == 0)
        *out = concat_open(parts, count);
    else
        for (size_t i = 0; i < count; i++)
            disk_close(parts[i]);
    free(parts);
    return result;
}

static int open_descriptor(const char *source, struct blob *blob,
                           const struct disk_options *options, struct image *image,
                           struct error **err)
{
    if (blob->size_bytes > VMDK_MAX_DESCRIPTOR)
        return error_set(err, ERROR_INVALID, "VMDK descriptor of %" PRIu64 " bytes (at most %d)",
                         blob->size_bytes, VMDK_MAX_DESCRIPTOR);
    size_t len = (size_t)blob->size_bytes;
    CLEANUP(str) char *text = xmalloc(len + 1);
    if (blob_read(blob, text, len, 0, err) == -1 ||
        vmdk_descriptor_parse(text, len, &image->descriptor, err) == -1)
        return -1;
    return open_parts(source, &image->descriptor, options, &image->disk, err);
}

static const char *format_name(const struct image *image, const struct disk *disk)
{
    static const struct {
        const char *type;
        const char *name;
    } names[] = {
        {"streamOptimized", "vmdk streamOptimized"},
        {"monolithicSparse", "vmdk monolithicSparse"},
        {"monolithicFlat", "vmdk monolithicFlat"},
        {"twoGbMaxExtentSparse", "vmdk twoGbMaxExtentSparse"},
        {"twoGbMaxExtentFlat", "vmdk twoGbMaxExtentFlat"},
        {"vmfs", "vmdk vmfs"},
        {"vmfsThin", "vmdk vmfs"},
        {"vmfsSparse", "vmdk vmfsSparse"},
        {"seSparse", "vmdk seSparse"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (str_eq(image->descriptor.create_type, names[i].type))
            return names[i].name;
    return disk->is_packed ? "vmdk streamOptimized" : "vmdk";
}

/* Opens one image without what lies below it; takes BLOB, also on failure. */
static int open_image(const char *source, struct blob *take, const struct disk_options *options,
                      struct image *out, struct error **err)
{
    CLEANUP(blob) struct blob *blob = take;
    CLEANUP(image) struct image image = {.descriptor.parent_cid = VMDK_NO_PARENT};
    char start[IMAGE_PROBE_BYTES];
    size_t len = blob->size_bytes < sizeof(start) ? (size_t)blob->size_bytes : sizeof(start);
    int result;

    if (blob_read(blob, start, len, 0, err) == -1)
        return -1;
    enum image_kind kind = image_probe(start, len);
    if (kind == IMAGE_VMDK_SPARSE)
        result = open_hosted(&blob, &image, err);
    else if (kind == IMAGE_VMDK_COWD)
        result = open_cowd(&blob, &image, err);
    else if (kind == IMAGE_VMDK_SESPARSE)
        result = open_sesparse(&blob, &image, err);
    else if (kind == IMAGE_VMDK_DESCRIPTOR)
        result = open_descriptor(source, blob, options, &image, err);
    else
        result = error_set(err, ERROR_CORRUPT, "\"%s\" is no VMDK", blob->name);
    if (result == -1)
        return -1;
    image.disk->format = format_name(&image, image.disk);
    *out = image;
    image = (struct image){0};
    return 0;
}

/* Opens the image below IMAGE, which came from *SOURCE; *SOURCE becomes the name of that one. */
static int open_parent(char **source, const struct image *image,
                       const struct disk_options *options, struct image *out, struct error **err)
{
    const struct vmdk_descriptor *child = &image->descriptor;
    CLEANUP(image) struct image parent = {0};
    struct blob *blob = NULL;

    if (child->parent_hint == NULL) {
        error_set(err, ERROR_CORRUPT, "the image holds changes only and names no parent");
        return error_hint(err, "give the parent with --base");
    }
    if (blob_open_sibling(*source, child->parent_hint, options, &blob, err) == -1) {
        error_wrap(err, "parent image");
        return error_get_hint(*err) != NULL ? -1 : error_hint(err, "give it with --base");
    }
    char *name = blob_sibling_name(*source, child->parent_hint);
    free(*source);
    *source = name;
    if (open_image(*source, blob, options, &parent, err) == -1)
        return error_wrap(err, "parent image \"%s\"", *source);
    if (parent.descriptor.create_type != NULL && parent.descriptor.cid != child->parent_cid)
        return error_set(err, ERROR_INVALID,
                         "parent image \"%s\" has content id %08" PRIx32 ", not %08" PRIx32
                         ": it was changed after the snapshot",
                         *source, parent.descriptor.cid, child->parent_cid);
    *out = parent;
    parent = (struct image){0};
    return 0;
}

int vmdk_open(const char *source, struct blob *blob, const struct disk_options *options,
              struct disk **out, struct error **err)
{
    struct image chain[DISK_MAX_CHAIN] = {0};
    CLEANUP(str) char *at = xstrdup(source);
    CLEANUP(disk) struct disk *base = NULL;
    size_t count = 1;
    int result = open_image(source, blob, options, &chain[0], err);

    if (result == 0 && options->base_count > 0)
        result = disk_open_base(options, &base, err);
    while (result == 0 && base == NULL && chain[count - 1].descriptor.create_type != NULL &&
           chain[count - 1].descriptor.parent_cid != VMDK_NO_PARENT) {
        if (count == DISK_MAX_CHAIN) {
            result = error_set(err, ERROR_INVALID, "a chain of more than %d images, or a loop",
                               DISK_MAX_CHAIN);
            break;
        }
        result = open_parent(&at, &chain[count - 1], options, &chain[count], err);
        if (result == 0)
            count++;
    }
    while (result == 0 && count > 0) { /* from the bottom up */
        struct disk *top = steal(&chain[--count].disk);
        base = base == NULL ? top : overlay_open(top, base);
        image_reset(&chain[count]);
    }
    for (size_t i = 0; i < count; i++)
        image_reset(&chain[i]);
    if (result == 0)
        *out = steal(&base);
    return result;
}
