#include "base/error.h"
#include "source/ova/ovf.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(ovf) struct ovf *ovf = NULL;

    if (ovf_parse((const char *)data, len, &ovf, &err) == -1 && err == NULL)
        __builtin_trap();
    return 0;
}
