#include "base/error.h"
#include "disk/blob_memory.h"
#include "disk/format.h"

#include <stdint.h>

enum { READ_BYTES = 256 * 1024 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* Opens the image and reads its start, its end, and where it says that data is. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static char to[READ_BYTES];
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(disk) struct disk *disk = NULL;
    CLEANUP(extent_list) struct extent_list list = {0};

    /* No image may reach another file: the folder does not exist. */
    if (vmdk_open("/nonexistent/fuzz.vmdk", blob_memory_open(data, len),
                  &(struct disk_options){0}, &disk, &err) == -1) {
        if (err == NULL)
            __builtin_trap();
        return 0;
    }
    uint64_t size = disk_size(disk);
    size_t part = size < sizeof(to) ? (size_t)size : sizeof(to);
    if (disk_read(disk, to, part, 0, &err) == -1)
        error_clear(&err);
    if (disk_read(disk, to, part, size - part, &err) == -1)
        error_clear(&err);
    if (disk_extents(disk, 0, size, &list, &err) == -1)
        return 0;
    for (size_t i = 0; i < list.len && i < 16; i++) {
        part = list.ptr[i].length < sizeof(to) ? (size_t)list.ptr[i].length : sizeof(to);
        if (disk_read(disk, to, part, list.ptr[i].offset, &err) == -1)
            error_clear(&err);
    }
    return 0;
}
