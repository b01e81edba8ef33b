#include "disk/format.h"

#include "base/array.h"
#include "base/text.h"

#include <assert.h>
#include <string.h>

/* clang-format off */
static const struct {
    const char *name;
    size_t offset;
    size_t len;
    const char *magic;
} kinds[] = {
    [IMAGE_RAW]             = {"raw", 0, 0, ""},
    [IMAGE_VMDK_SPARSE]     = {"vmdk", 0, 4, "KDMV"},
    [IMAGE_VMDK_COWD]       = {"vmdk", 0, 4, "COWD"},
    [IMAGE_VMDK_SESPARSE]   = {"vmdk", 0, 8, "\xbe\xba\xfe\xca\0\0\0\0"},
    [IMAGE_VMDK_DESCRIPTOR] = {"vmdk", 0, 21, "# Disk DescriptorFile"},
    [IMAGE_QCOW2]           = {"qcow2", 0, 4, "QFI\xfb"},
    [IMAGE_VHD]             = {"vhd", 0, 8, "conectix"},
    [IMAGE_VHDX]            = {"vhdx", 0, 8, "vhdxfile"},
    [IMAGE_VDI]             = {"vdi", 64, 4, "\x7f\x10\xda\xbe"},
    [IMAGE_LUKS]            = {"luks", 0, 6, "LUKS\xba\xbe"},
    [IMAGE_GZIP]            = {"gzip", 0, 3, "\x1f\x8b\x08"},
    [IMAGE_ZSTD]            = {"zstd", 0, 4, "\x28\xb5\x2f\xfd"},
    [IMAGE_XZ]              = {"xz", 0, 6, "\xfd" "7zXZ"},
};
/* clang-format on */
static_assert(ARRAY_SIZE(kinds) == IMAGE_KIND_COUNT, "every kind has a row");

enum image_kind image_probe(const void *data, size_t len)
{
    const char *bytes = data;

    for (size_t i = IMAGE_RAW + 1; i < IMAGE_KIND_COUNT; i++)
        if (len >= kinds[i].offset + kinds[i].len &&
            memcmp(bytes + kinds[i].offset, kinds[i].magic, kinds[i].len) == 0)
            return (enum image_kind)i;
    return IMAGE_RAW;
}

bool image_kind_find(const char *name, enum image_kind *kind)
{
    if (str_eq(name, "vpc"))
        name = "vhd";
    for (size_t i = 0; i < IMAGE_KIND_COUNT; i++)
        if (str_eq(kinds[i].name, name)) {
            *kind = (enum image_kind)i;
            return true;
        }
    return false;
}

const char *image_kind_name(enum image_kind kind)
{
    return kinds[kind].name;
}

bool image_kind_is_compressed(enum image_kind kind)
{
    return kind == IMAGE_GZIP || kind == IMAGE_ZSTD || kind == IMAGE_XZ;
}
