#include "memory_file.h"

#include "base/error.h"
#include "kube/config.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(kube_config) struct kube_config *config = NULL;
    struct memory_file file = memory_file_make(data, len);

    if ((kube_config_load(file.path, NULL, &config, &err) == 0) != (config != NULL && err == NULL))
        __builtin_trap();
    close(file.fd);
    return 0;
}
