/* Images that QEMU reads for us. */
#include "disk/format.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "data/obj.h"
#include "disk/blob_nbd.h"
#include "disk/qcow2.h"
#include "disk/qemu_nbd.h"

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

struct qemu_disk {
    struct disk disk;
    struct disk *inner; /* raw over the child's export */
    struct qemu_nbd *child;
};

static void qemu_close(struct disk *disk)
{
    struct qemu_disk *qemu = (struct qemu_disk *)disk;

    disk_close(qemu->inner);
    qemu_nbd_free(qemu->child);
    free(qemu);
}

static int qemu_extents(struct disk *disk, uint64_t offset, uint64_t length,
                        struct extent_list *list, struct error **err)
{
    return disk_extents(((struct qemu_disk *)disk)->inner, offset, length, list, err);
}

static int qemu_read(struct disk *disk, void *data, size_t len, uint64_t offset,
                     struct error **err)
{
    return disk_read(((struct qemu_disk *)disk)->inner, data, len, offset, err);
}

/* Refuses a qcow2 image that refers to other files: who wrote it would choose what is read here. */
static int check_references(struct blob *blob, const struct disk_options *options,
                            struct error **err)
{
    struct qcow2_header header;

    if (options->allow_paths)
        return 0;
    if (qcow2_header_read(blob, &header, err) == -1)
        return -1;
    if (header.has_backing) {
        error_set(err, ERROR_DENIED, "the image refers to a backing file");
        return error_hint(err, "name it with --base, or use --allow-paths if the image is trusted");
    }
    if (header.has_data_file) {
        error_set(err, ERROR_DENIED, "the image keeps its data in another file");
        return error_hint(err, "use --allow-paths if the image is trusted");
    }
    return 0;
}

/* QEMU's description of a local file or of a member of an OVA; owned by the caller. */
static json_t *describe_file(struct blob *blob, const char *source, struct error **err)
{
    uint64_t offset;
    int fd = blob->ops->locate(blob, 0, &offset);
    char path[PATH_MAX];

    if (fd == -1) {
        error_set(err, ERROR_UNSUPPORTED, "images of this format are read from local files only");
        error_hint(err, "serve it with qemu-nbd and give gantry-copy the NBD URI");
        return NULL;
    }
    if (!str_starts_with(source, "ova:"))
        return obj_pack("{s:s, s:s}", "driver", "file", "filename",
                        realpath(source, path) != NULL ? path : source);
    const char *mark = strrchr(source, '#');
    CLEANUP(str) char *file = xstrndup(source + 4, (size_t)(mark - source - 4));
    return obj_pack("{s:s, s:I, s:I, s:{s:s, s:s}}", "driver", "raw", "offset", (json_int_t)offset,
                    "size", (json_int_t)blob->size_bytes, "file", "driver", "file", "filename",
                    realpath(file, path) != NULL ? path : file);
}

static int describe(struct blob *blob, const char *source, enum image_kind kind,
                    const struct disk_options *options, char **text, struct error **err)
{
    json_t *file = describe_file(blob, source, err);

    if (file == NULL)
        return -1;
    json_auto_t *image = obj_pack("{s:s, s:o}", "driver",
                                  kind == IMAGE_VHD ? "vpc" : image_kind_name(kind), "file", file);
    if (kind == IMAGE_LUKS)
        obj_put_str(image, "key-secret", "key");
    *text = obj_format(image);
    return 0;
}

static int start(const char *source, enum image_kind kind, const struct disk_options *options,
                 struct qemu_nbd **child, struct error **err)
{
    CLEANUP(blob) struct blob *blob = NULL;
    CLEANUP(str) char *image = NULL;

    if (options->base_count > 0)
        return error_set(err, ERROR_UNSUPPORTED, "an image of this kind is not read over a base");
    if (kind == IMAGE_LUKS && options->luks_key_file == NULL) {
        error_set(err, ERROR_INVALID, "\"%s\" is encrypted", source);
        return error_hint(err, "name a file with its passphrase with --luks-key-file");
    }
    if (blob_open(source, options, &blob, err) == -1)
        return -1;
    if (kind == IMAGE_QCOW2 && check_references(blob, options, err) == -1)
        return error_wrap(err, "image \"%s\"", source);
    if (describe(blob, source, kind, options, &image, err) == -1)
        return error_wrap(err, "image \"%s\"", source);
    struct qemu_nbd_options child_options = {.image = image,
                                             .secret_file = options->luks_key_file,
                                             .timeout_ms = options->timeout_ms,
                                             .cancel = options->cancel};
    return qemu_nbd_start(&child_options, child, err);
}

int qemu_open(const char *source, enum image_kind kind, const struct disk_options *options,
              struct disk **out, struct error **err)
{
    static const struct disk_ops ops = {qemu_close, qemu_extents, qemu_read, disk_no_plain_fd};
    CLEANUP(qemu_nbd) struct qemu_nbd *child = NULL;
    struct blob *blob;

    if (start(source, kind, options, &child, err) == -1 ||
        blob_nbd_open(qemu_nbd_uri(child), options, &blob, err) == -1)
        return error_wrap(err, "%s image \"%s\"", image_kind_name(kind), source);

    struct qemu_disk *qemu = xcalloc(1, sizeof(*qemu));
    qemu->inner = raw_open(blob);
    qemu->child = steal(&child);
    qemu->disk = *qemu->inner;
    qemu->disk.ops = &ops;
    qemu->disk.format = image_kind_name(kind);
    *out = &qemu->disk;
    return 0;
}
