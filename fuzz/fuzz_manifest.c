#include "base/error.h"
#include "source/ova/manifest.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(manifest) struct manifest manifest = {0};

    if (manifest_parse((const char *)data, len, &manifest, &err) == -1 && err == NULL)
        __builtin_trap();
    return 0;
}
