#include "base/error.h"
#include "disk/tar.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static int read_memory(void *arg, void *to, size_t len, uint64_t offset, struct error **err)
{
    memcpy(to, *(const uint8_t *const *)arg + offset, len);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(tar_index) struct tar_index index = {0};
    struct tar_input input = {.arg = &data, .size = len, .read = read_memory};

    if (tar_index_read(&input, &index, &err) == -1 && err == NULL)
        __builtin_trap();
    for (size_t i = 0; i < index.len; i++)
        if (index.ptr[i].offset > len || index.ptr[i].size > len - index.ptr[i].offset)
            __builtin_trap(); /* a member outside the file */
    return 0;
}
