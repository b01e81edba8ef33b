#include "disk/format.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* What an image's first bytes say it is. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    enum image_kind kind = image_probe(data, len);
    enum image_kind found;

    if (kind >= IMAGE_KIND_COUNT || !image_kind_find(image_kind_name(kind), &found))
        __builtin_trap();
    return 0;
}
