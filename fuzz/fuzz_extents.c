#include "base/error.h"
#include "disk/extent_file.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* What --extents reads. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(extent_list) struct extent_list list = {0};

    if (extent_list_parse((const char *)data, len, &list, &err) == -1 && err == NULL)
        __builtin_trap();
    for (size_t i = 0; i < list.len; i++)
        if (list.ptr[i].length == 0 ||
            list.ptr[i].length > (uint64_t)INT64_MAX - list.ptr[i].offset)
            __builtin_trap();
    return 0;
}
