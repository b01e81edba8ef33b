#define LOG_COMPONENT "move"

#include "move/vm/disk_names.h"

#include "base/error.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "data/obj.h"
#include "kube/meta.h"
#include "kube/names.h"
#include "lang/template/template.h"
#include "move/vm/labels.h"

#include <stdlib.h>
#include <string.h>

#define BUILT_IN "{{trunc 15 .PlanName}}-{{trunc 15 .TargetVmName}}-disk-{{.DiskIndex}}"

/* What a template sees.  A source that knows no root disk has the first. */
static json_t *variables(const char *vm, const char *target, const char *plan, const char *id,
                         size_t index, const char *file)
{
    return obj_pack("{s:s, s:s, s:s, s:s, s:i, s:i, s:b, s:s, s:s, s:s}", "VmName", vm,
                    "TargetVmName", target, "PlanName", plan, "VmId", id, "DiskIndex", (int)index,
                    "RootDiskIndex", 0, "Shared", 0, "FileName", file, "WinDriveLetter", "",
                    "DiskId", "");
}

/* The template's result: a label, perhaps with a '-' behind it.  Owned by the caller. */
static char *render(const char *template, const json_t *data, struct error **err)
{
    CLEANUP(str) char *text =
        template_render_text("pvcNameTemplate", template, data, TEMPLATE_STRUCT, err);

    if (text == NULL)
        return NULL;
    struct span name = span_trim(span_of(text));
    size_t len = name.len;
    while (len > 0 && name.ptr[len - 1] == '-')
        len--;
    if (!name_is_label(name.ptr, len)) {
        error_set(err, ERROR_INVALID, "pvcNameTemplate gives \"%.*s\", which is no valid name",
                  (int)name.len, name.ptr);
        error_hint(err, "use letters of lower case, digits and '-', at most 63");
        return NULL;
    }
    return xstrndup(name.ptr, len);
}

static const char *find_template(const struct vm_run *run)
{
    const char *own = obj_str(run->status, "pvcNameTemplate", "");
    const char *of_plan = obj_str(run->view->plan, "spec.pvcNameTemplate", "");
    const char *of_all = run->view->settings.pvc_name_template;

    if (own[0] != '\0')
        return own;
    if (of_plan[0] != '\0')
        return of_plan;
    return !str_is_empty(of_all) ? of_all : BUILT_IN;
}

void disk_name_make(struct vm_run *run, size_t index, struct disk_name *name)
{
    const char *plan = meta_name(run->view->plan);
    CLEANUP(error) struct error *failure = NULL;
    json_auto_t *data =
        variables(obj_str(run->status, "name", ""), vm_run_target_name(run), plan, vm_run_id(run),
                  index, run->machine->disks.ptr[index].name);
    CLEANUP(str) char *text = render(find_template(run), data, &failure);

    name->generate = obj_bool(run->view->plan, "spec.pvcNameTemplateUseGenerateName", true);
    if (text == NULL) {
        log_warn_error(failure, "a volume gets another name");
        name->generate = true;
        name->text = labels_name_prefix("%s-%s", plan, vm_run_id(run));
        return;
    }
    name->text = name->generate ? labels_name_prefix("%s", text) : xstrdup(text);
}

void disk_name_reset(struct disk_name *name)
{
    free(name->text);
    memset(name, 0, sizeof(*name));
}

int disk_name_check(const char *template, struct error **err)
{
    json_auto_t *data = variables("vm", "vm", "plan", "id", 0, "disk");

    if (str_is_empty(template))
        return 0;
    CLEANUP(str) char *text = render(template, data, err);
    return text == NULL ? -1 : 0;
}
