#include "hook/premigration/gate.h"

#include "base/error.h"
#include "base/text.h"

#include <string.h>

static bool is_ours(struct span name)
{
    return span_eq(name, span_of("LibvirtHooksServerAndClient")) ||
           span_eq(name, span_of("TargetSideMigrationHooks"));
}

int premigration_gate(const char *gates, bool *on, struct error **err)
{
    struct span rest = span_of(gates), value, name;
    bool result = true;

    while (span_split(&rest, ',', &value)) {
        value = span_trim(value);

        bool has_value = value.len > 0 && memchr(value.ptr, '=', value.len) != NULL;

        if (!span_split(&value, '=', &name) || !is_ours(span_trim(name)))
            continue;
        value = span_trim(value);
        if (!has_value || span_eq(value, span_of("true")))
            result = true;
        else if (span_eq(value, span_of("false")))
            result = false;
        else
            return error_set(err, ERROR_INVALID,
                             "feature gate \"%.*s\": \"%.*s\" is neither true nor false",
                             (int)name.len, name.ptr, (int)value.len, value.ptr);
    }
    *on = result;
    return 0;
}
