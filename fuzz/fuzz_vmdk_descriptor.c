#include "base/error.h"
#include "disk/disk.h"
#include "disk/vmdk_descriptor.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* The text of a descriptor: what it accepts keeps to its limits. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(vmdk_descriptor) struct vmdk_descriptor descriptor = {0};

    if (vmdk_descriptor_parse((const char *)data, len, &descriptor, &err) == -1) {
        if (err == NULL)
            __builtin_trap();
        return 0;
    }
    if (descriptor.create_type == NULL || descriptor.parts.len > DISK_MAX_PARTS)
        __builtin_trap();
    for (size_t i = 0; i < descriptor.parts.len; i++) {
        const struct vmdk_part *part = &descriptor.parts.ptr[i];
        if (part->sectors > VMDK_MAX_SECTORS || part->offset > VMDK_MAX_SECTORS ||
            (part->file == NULL) != (part->kind == VMDK_PART_ZERO))
            __builtin_trap();
    }
    return 0;
}
