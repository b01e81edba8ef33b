#include "base/error.h"
#include "kube/quantity.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    CLEANUP(error) struct error *err = NULL;
    struct quantity quantity = {0};
    uint64_t bytes;

    if (quantity_parse((const char *)data, len, &quantity, &err) == -1) {
        if (err == NULL)
            __builtin_trap();
        return 0;
    }
    quantity_to_milli(quantity);
    if (quantity_to_u64(quantity, &bytes, &err) == 0 && quantity.nano < 0)
        __builtin_trap();
    return 0;
}
