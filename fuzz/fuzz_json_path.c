/* The first line is a path of a table's column, the rest an object to look in. */
#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "data/obj.h"
#include "kube/table.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(error) struct error *object_err = NULL;
    struct span rest = {(const char *)data, len}, first = {NULL, 0};

    if (!span_split(&rest, '\n', &first))
        return 0;
    CLEANUP(str) char *text = span_dup(first);
    CLEANUP(json_path) struct json_path *path = json_path_compile(text, &err);
    if (path == NULL) {
        if (err == NULL)
            __builtin_trap();
        return 0;
    }
    json_auto_t *object = obj_parse(rest.ptr, rest.len, &object_err);
    if (object != NULL)
        json_path_find(path, object);
    return 0;
}
