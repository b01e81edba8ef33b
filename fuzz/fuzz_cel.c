/* The first line is a rule, the rest is what it is applied to. */
#include "base/error.h"
#include "base/text.h"
#include "kube/cel.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    CLEANUP(error) struct error *err = NULL;
    struct span rest = {(const char *)data, len}, rule = {NULL, 0};

    if (!span_split(&rest, '\n', &rule))
        return 0;

    CLEANUP(str) char *text = span_dup(rule);
    CLEANUP(cel_rule) struct cel_rule *compiled = cel_compile(text, &err);
    json_auto_t *self = json_loadb(rest.len > 0 ? rest.ptr : "1", rest.len > 0 ? rest.len : 1,
                                   JSON_DECODE_ANY, NULL);
    bool result = false;

    if ((compiled == NULL) != (err != NULL))
        __builtin_trap();
    if (compiled != NULL && self != NULL && cel_eval(compiled, self, self, &result, &err) == -1 &&
        err == NULL)
        __builtin_trap();
    return 0;
}
