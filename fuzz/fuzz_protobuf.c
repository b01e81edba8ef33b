#include "base/error.h"
#include "kube/protobuf.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    CLEANUP(error) struct error *err = NULL;
    json_t *object = NULL;

    if ((protobuf_decode(data, len, &object, &err) == 0) != (object != NULL && err == NULL))
        __builtin_trap();
    json_decref(object);
    return 0;
}
