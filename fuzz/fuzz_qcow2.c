#include "disk_walk.h"

#include "disk/qcow2.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* qcow2, packed and not.  What the header says decides all, so only its magic is given. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    CLEANUP(error) struct error *err = NULL;
    struct qcow2_header header;
    struct disk *disk;

    if (len < 4)
        return 0;
    CLEANUP(str) char *image = xmemdup(data, len);
    memcpy(image, "QFI\xfb", 4);
    CLEANUP(blob) struct blob *blob = blob_memory_open(image, len);
    if (qcow2_header_read(blob, &header, &err) == -1 || !qcow2_is_readable(&header))
        return 0;
    if (qcow2_open(blob, &header, &disk, &err) == -1)
        return 0;
    steal(&blob);
    disk_walk(disk);
    disk_close(disk);
    return 0;
}
