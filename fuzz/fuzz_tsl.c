#include "base/error.h"
#include "base/mem.h"
#include "data/obj.h"
#include "lang/tsl/tsl.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(tsl) struct tsl *tsl = NULL;
    CLEANUP(str) char *text = xstrndup((const char *)data, len);
    json_auto_t *rows = obj_pack("[{s:s,s:i,s:[{s:i},{s:i}],s:n},{s:s}]", "a", "x", "b", 2, "l",
                                 "k", 1, "k", 2, "n", "a", "2024-01-02");
    json_auto_t *result = NULL;

    if (tsl_parse(text, &tsl, &err) == -1 || tsl_run(tsl, rows, &result, NULL, &err) == -1) {
        if (err == NULL)
            __builtin_trap();
    }
    return 0;
}
