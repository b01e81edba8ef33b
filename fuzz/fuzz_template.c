#include "base/error.h"
#include "base/text.h"
#include "data/obj.h"
#include "lang/template/template.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(template) struct template *template = NULL;
    CLEANUP(buf) struct buf out = BUF_INIT(TEMPLATE_MAX_OUTPUT + 1);
    json_auto_t *o = obj_pack("{s:s,s:i,s:[i,s],s:{s:f},s:n}", "a", "text", "b", 2, "l", 4, "x",
                              "m", "k", 1.5, "n");

    if (template_parse("fuzz", (const char *)data, len, &template, &err) == -1 ||
        template_render(template, o, TEMPLATE_MAP, &out, &err) == -1) {
        if (err == NULL)
            __builtin_trap();
    }
    return 0;
}
