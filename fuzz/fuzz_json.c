#include "base/error.h"
#include "base/mem.h"
#include "data/obj.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    CLEANUP(error) struct error *err = NULL;
    json_auto_t *value = obj_parse((const char *)data, len, &err);

    if (value == NULL) {
        if (err == NULL)
            __builtin_trap();
        return 0;
    }
    /* What is written reads back as the same value. */
    CLEANUP(str) char *text = obj_format(value);
    json_auto_t *again = obj_parse(text, strlen(text), &err);
    if (!obj_eq(value, again))
        __builtin_trap();
    return 0;
}
