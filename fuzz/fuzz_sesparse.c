#include "disk_walk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* SE sparse, the snapshots of VMFS 6, alone: every input gets the magic and the
 * version, so that no time is spent on other formats. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static const unsigned char magic[] = {0xbe, 0xba, 0xfe, 0xca, 0, 0, 0, 0,
                                          1,    0,    0,    0,    2, 0, 0, 0};

    disk_walk_vmdk(data, len, magic, sizeof(magic));
    return 0;
}
