#include "base/error.h"
#include "base/mem.h"
#include "disk/blob_memory.h"
#include "disk/format.h"
#include "disk_walk.h"

#include <stdint.h>
#include <string.h>

enum { MAGIC_BYTES = 8 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* COWD, the vmfsSparse snapshots of ESXi, alone: every input gets the magic and the version, so that no time
 * is spent on other formats. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(disk) struct disk *disk = NULL;

    if (len < MAGIC_BYTES)
        return 0;
    CLEANUP(str) char *image = xmemdup(data, len);
    memcpy(image, "COWD\\1\\0\\0\\0", MAGIC_BYTES);
    if (vmdk_open("/nonexistent/fuzz.vmdk", blob_memory_open(image, len),
                  &(struct disk_options){0}, &disk, &err) == 0)
        disk_walk(disk);
    else if (err == NULL)
        __builtin_trap();
    disk_close(steal(&disk)); /* before the image, which it borrows */
    return 0;
}
