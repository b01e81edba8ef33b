#include "base/error.h"
#include "disk/blob_memory.h"
#include "disk/format.h"
#include "disk_walk.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* Any of the formats of VMDK, as the first bytes say. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(disk) struct disk *disk = NULL;

    /* No image may reach another file: the folder does not exist. */
    if (vmdk_open("/nonexistent/fuzz.vmdk", blob_memory_open(data, len),
                  &(struct disk_options){0}, &disk, &err) == 0)
        disk_walk(disk);
    else if (err == NULL)
        __builtin_trap();
    return 0;
}
