/* A body that reports duplicate fields is the same value as one that refuses them, when there are none. */
#include "base/error.h"
#include "base/mem.h"
#include "kube/body.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void compare(const json_t *strict, const json_t *value, const struct str_list *duplicates)
{
    CLEANUP(str) char *message = body_strict_message("Kind", "v1", duplicates, duplicates);

    if ((strict == NULL) != (duplicates->len > 0) || (message == NULL) != (duplicates->len == 0) ||
        (strict != NULL && !obj_eq(strict, value)))
        __builtin_trap();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(error) struct error *strict_err = NULL;
    struct str_list duplicates = {0};
    json_auto_t *value = NULL;
    json_auto_t *strict = obj_parse((const char *)data, len, &strict_err);

    if (body_parse((const char *)data, len, &value, &duplicates, &err) == 0)
        compare(strict, value, &duplicates);
    else if (err == NULL || strict != NULL)
        __builtin_trap();
    str_list_free_all(&duplicates);
    return 0;
}
