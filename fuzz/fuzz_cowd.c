#include "disk_walk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* COWD, the vmfsSparse snapshots of ESXi, alone: every input gets the magic and the
 * version, so that no time is spent on other formats. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static const unsigned char magic[] = {'C', 'O', 'W', 'D', 1, 0, 0, 0};

    disk_walk_vmdk(data, len, magic, sizeof(magic));
    return 0;
}
