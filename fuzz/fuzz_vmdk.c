#include "disk_walk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* Any of the formats of VMDK, as the first bytes say. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    disk_walk_vmdk(data, len, "", 0);
    return 0;
}
