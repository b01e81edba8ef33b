#include "move/vm/labels.h"

#include "base/mem.h"
#include "base/text.h"
#include "data/obj.h"
#include "kube/meta.h"
#include "kube/names.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { GENERATED_LEN = 5 };

json_t *labels_new(const json_t *plan, const json_t *migration, const char *vm_id)
{
    CLEANUP(str) char *id = name_fix_label_value(vm_id);
    CLEANUP(str) char *name = name_fix_label_value(meta_name(plan));
    CLEANUP(str) char *ns = name_fix_label_value(meta_ns(plan));

    return obj_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "migration", meta_uid(migration), "plan",
                    meta_uid(plan), "plan-name", name, "plan-namespace", ns, "vmID", id, "resource",
                    "vm-config");
}

char *labels_selector(const json_t *plan, const json_t *migration, const char *vm_id,
                      const char *more)
{
    struct buf text = BUF_INIT(4096);

    buf_printf(&text, "plan=%s", meta_uid(plan));
    if (migration != NULL)
        buf_printf(&text, ",migration=%s", meta_uid(migration));
    if (vm_id != NULL) {
        CLEANUP(str) char *id = name_fix_label_value(vm_id);
        buf_printf(&text, ",vmID=%s", id);
    }
    if (more != NULL)
        buf_printf(&text, ",%s", more);
    return buf_take(&text);
}

char *labels_name_prefix(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    char *text = xvasprintf(format, args);
    va_end(args);
    for (char *c = text; *c != '\0'; c++) {
        *c = (char)tolower((unsigned char)*c);
        if (!(*c >= 'a' && *c <= 'z') && !(*c >= '0' && *c <= '9'))
            *c = '-';
    }
    size_t most = NAME_LABEL_MAX - GENERATED_LEN - 1;
    if (strlen(text) > most)
        text[most] = '\0';
    for (size_t len = strlen(text); len > 0 && text[len - 1] == '-'; len--)
        text[len - 1] = '\0';
    char *prefix = xasprintf("%s-", text[0] != '\0' ? text : "vm");
    free(text);
    return prefix;
}
