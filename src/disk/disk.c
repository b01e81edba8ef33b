#include "disk/disk.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "disk/blob_nbd.h"
#include "disk/format.h"
#include "disk/qcow2.h"
#include "disk/vddk.h"

#include <inttypes.h>
#include <stdint.h>
#include <string.h>

#define ZERO_SCHEME "zero:"

/* What the image is: as the user says, or by its content.  An NBD export is raw unless the user
 * says otherwise: servers have opened the format already. */
static int decide_kind(const char *source, struct blob *blob, const struct disk_options *options,
                       enum image_kind *kind, struct error **err)
{
    char start[IMAGE_PROBE_BYTES];
    size_t len = blob->size_bytes < sizeof(start) ? (size_t)blob->size_bytes : sizeof(start);

    if (options->format == NULL && blob_nbd_is_uri(source)) {
        *kind = IMAGE_RAW;
        return 0;
    }
    if (options->format != NULL) {
        if (image_kind_find(options->format, kind))
            return 0;
        error_set(err, ERROR_INVALID, "unknown format \"%s\"", options->format);
        return error_hint(err, "raw, vmdk, qcow2, vhd, vhdx, vdi or luks");
    }
    if (blob_read(blob, start, len, 0, err) == -1)
        return -1;
    *kind = image_probe(start, len);
    return 0;
}

int disk_open_base(const struct disk_options *options, struct disk **out, struct error **err)
{
    struct disk_options below = *options;
    const char *base = options->bases[0];

    below.format = NULL;
    below.stream = false;
    below.bases++;
    below.base_count--;
    return disk_open(base, &below, out, err) == 0 ? 0 : error_wrap(err, "base \"%s\"", base);
}

/* An image that refers to other files goes to QEMU, unless the user names them. */
static int open_qcow2(const char *source, struct blob *take, const struct disk_options *options,
                      struct disk **out, struct error **err)
{
    CLEANUP(blob) struct blob *blob = take;
    CLEANUP(disk) struct disk *base = NULL;
    struct qcow2_header header;

    if (qcow2_header_read(blob, &header, err) == -1)
        return -1;
    if (!qcow2_is_readable(&header) || (header.has_backing && options->base_count == 0))
        return qemu_open(source, IMAGE_QCOW2, options, out, err);
    if (options->base_count > 0 && disk_open_base(options, &base, err) == -1)
        return -1;
    if (qcow2_open(blob, &header, out, err) == -1)
        return -1;
    steal(&blob);
    if (base != NULL)
        *out = overlay_open(*out, steal(&base));
    return 0;
}

static int open_kind(const char *source, struct blob *take, enum image_kind kind,
                     const struct disk_options *options, struct disk **out, struct error **err)
{
    CLEANUP(blob) struct blob *blob = take;

    switch (kind) {
    case IMAGE_RAW:
        if (options->base_count > 0)
            return error_set(err, ERROR_INVALID, "a raw image has no base");
        *out = raw_open(steal(&blob));
        return 0;
    case IMAGE_QCOW2:
        return open_qcow2(source, steal(&blob), options, out, err);
    case IMAGE_VMDK_SPARSE:
    case IMAGE_VMDK_COWD:
    case IMAGE_VMDK_SESPARSE:
    case IMAGE_VMDK_DESCRIPTOR:
        return vmdk_open(source, steal(&blob), options, out, err);
    case IMAGE_VHD:
    case IMAGE_VHDX:
    case IMAGE_VDI:
    case IMAGE_LUKS:
        return qemu_open(source, kind, options, out, err);
    case IMAGE_GZIP:
    case IMAGE_ZSTD:
    case IMAGE_XZ:
    case IMAGE_KIND_COUNT:
        break;
    }
    return error_set(err, ERROR_UNSUPPORTED, "a %s file can only be read front to back",
                     image_kind_name(kind));
}

bool disk_is_zero_source(const char *source)
{
    return str_starts_with(source, ZERO_SCHEME);
}

/* zero:BYTES, a disk on which nothing was written yet. */
static int open_zero(const char *bytes, struct disk **out, struct error **err)
{
    uint64_t size;

    if (!span_u64(span_of(bytes), &size) || size > INT64_MAX)
        return error_set(err, ERROR_INVALID, "\"" ZERO_SCHEME "%s\" names no number of bytes", bytes);
    *out = zero_open(size);
    return 0;
}

int disk_open(const char *source, const struct disk_options *options, struct disk **out,
              struct error **err)
{
    struct blob *blob;
    enum image_kind kind;

    if (disk_is_zero_source(source))
        return open_zero(source + strlen(ZERO_SCHEME), out, err);
    if (vddk_is_url(source))
        return vddk_open(source, options, out, err);
    if (blob_open(source, options, &blob, err) == -1)
        return -1;
    if (decide_kind(source, blob, options, &kind, err) == -1) {
        blob_close(blob);
        return -1;
    }
    return open_kind(source, blob, kind, options, out, err);
}

void disk_close(struct disk *disk)
{
    if (disk != NULL)
        disk->ops->close(disk);
}

uint64_t disk_size(const struct disk *disk)
{
    return disk->size_bytes;
}

const char *disk_format(const struct disk *disk)
{
    return disk->format;
}

bool disk_is_remote(const struct disk *disk)
{
    return disk->is_remote;
}

unsigned disk_latency_us(const struct disk *disk)
{
    return disk->latency_us;
}

bool disk_is_packed(const struct disk *disk)
{
    return disk->is_packed;
}

/* True if the range lies inside the disk; otherwise an error. */
static bool is_inside(const struct disk *disk, uint64_t offset, uint64_t length,
                      struct error **err)
{
    if (offset <= disk->size_bytes && length <= disk->size_bytes - offset)
        return true;
    error_set(err, ERROR_INVALID,
              "%" PRIu64 " bytes at byte %" PRIu64 " of a disk of %" PRIu64 " bytes", length,
              offset, disk->size_bytes);
    return false;
}

int disk_extents(struct disk *disk, uint64_t offset, uint64_t length, struct extent_list *list,
                 struct error **err)
{
    if (!is_inside(disk, offset, length, err))
        return -1;
    return length == 0 ? 0 : disk->ops->extents(disk, offset, length, list, err);
}

int disk_read(struct disk *disk, void *data, size_t len, uint64_t offset, struct error **err)
{
    if (!is_inside(disk, offset, len, err))
        return -1;
    return len == 0 ? 0 : disk->ops->read(disk, data, len, offset, err);
}

int disk_plain_fd(struct disk *disk, uint64_t *file_offset)
{
    return disk->ops->plain_fd(disk, file_offset);
}
