/* A template and, behind a line "---", the data it gets as JSON (else some of our own): rendered as a
 * struct's fields and as a map. */
#include "base/error.h"
#include "base/text.h"
#include "data/obj.h"
#include "text_parts.h"
#include "lang/template/template.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void render(const struct template *template, const json_t *data,
                   enum template_mode mode)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(buf) struct buf out = BUF_INIT(TEMPLATE_MAX_OUTPUT + 1);

    if (template_render(template, data, mode, &out, &err) == -1 && err == NULL)
        __builtin_trap();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    CLEANUP(error) struct error *err = NULL, *unreadable = NULL;
    CLEANUP(template) struct template *template = NULL;
    struct span rest = {(const char *)data, len};
    struct span text = next_part(&rest);
    json_auto_t *o = rest.len > 0 ? obj_parse(rest.ptr, rest.len, &unreadable) : NULL;

    if (o == NULL)
        o = obj_pack("{s:s,s:i,s:[i,s],s:{s:f},s:n,s:s,s:i}", "a", "text", "b", 2, "l", 4, "x",
                     "m", "k", 1.5, "n", "VmName", "web", "DiskIndex", 1);
    if (template_parse("fuzz", text.ptr, text.len, &template, &err) == -1) {
        if (err == NULL)
            __builtin_trap();
        return 0;
    }
    render(template, o, TEMPLATE_MAP);
    render(template, o, TEMPLATE_STRUCT);
    return 0;
}
