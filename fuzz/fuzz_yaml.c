#include "base/error.h"
#include "base/mem.h"
#include "data/obj.h"
#include "data/yaml.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    CLEANUP(error) struct error *err = NULL;
    json_auto_t *documents = obj_parse_yaml((const char *)data, len, &err);

    if (documents == NULL) {
        if (err == NULL)
            __builtin_trap();
        return 0;
    }
    /* What is printed reads back as the same value, unless it is one level too deep now. */
    CLEANUP(str) char *text = obj_format_yaml(documents);
    json_auto_t *again = obj_parse_yaml(text, strlen(text), &err);
    if (!obj_is_deeper_than(documents, YAML_DOC_MAX_DEPTH - 1) &&
        (again == NULL || !obj_eq(documents, json_array_get(again, 0))))
        __builtin_trap();
    return 0;
}
