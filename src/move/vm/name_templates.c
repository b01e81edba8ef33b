#include "move/vm/name_templates.h"

#include "base/array.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "data/obj.h"
#include "kube/names.h"
#include "lang/template/template.h"
#include "source/machine.h"

#include <assert.h>

static const char *const fields[] = {
    [NAME_OF_CLAIM] = "pvcNameTemplate",
    [NAME_OF_VOLUME] = "volumeNameTemplate",
    [NAME_OF_NETWORK] = "networkNameTemplate",
};
static_assert(ARRAY_SIZE(fields) == NAME_USES, "every use has a field");

const char *name_template_field(enum name_use use)
{
    return fields[use];
}

const char *name_template_find(enum name_use use, const json_t *vm, const json_t *plan,
                               const char *of_all)
{
    CLEANUP(str) char *path = xasprintf("spec.%s", fields[use]);
    const char *own = obj_str(vm, fields[use], ""), *of_plan = obj_str(plan, path, "");

    if (own[0] != '\0')
        return own;
    if (of_plan[0] != '\0')
        return of_plan;
    return str_is_empty(of_all) ? NULL : of_all;
}

static json_t *data_new(const struct name_subject *subject)
{
    return obj_pack("{s:s, s:s, s:s, s:s}", "VmName", subject->vm, "TargetVmName", subject->target,
                    "PlanName", subject->plan, "VmId", subject->id);
}

json_t *name_data_claim(const struct name_subject *subject, size_t index,
                        const struct machine_disk *disk)
{
    json_t *data = data_new(subject);

    obj_put_int(data, "DiskIndex", (int64_t)index);
    obj_put_int(data, "RootDiskIndex", 0); /* a source that knows no root disk has the first */
    obj_put_bool(data, "Shared", disk->shared);
    obj_put_str(data, "FileName", disk->name);
    obj_put_str(data, "DiskId", disk->id != NULL ? disk->id : "");
    obj_put_str(data, "WinDriveLetter", "");
    return data;
}

json_t *name_data_volume(const struct name_subject *subject, size_t index, const char *claim)
{
    json_t *data = data_new(subject);

    obj_put_str(data, "PVCName", claim);
    obj_put_int(data, "VolumeIndex", (int64_t)index);
    return data;
}

json_t *name_data_network(const struct name_subject *subject, size_t index,
                          const json_t *destination)
{
    json_t *data = data_new(subject);

    obj_put_str(data, "NetworkName", obj_str(destination, "name", ""));
    obj_put_str(data, "NetworkNamespace", obj_str(destination, "namespace", ""));
    obj_put_str(data, "NetworkType", obj_str(destination, "type", ""));
    obj_put_int(data, "NetworkIndex", (int64_t)index);
    return data;
}

char *name_template_render(enum name_use use, const char *template, const json_t *data,
                           struct error **err)
{
    CLEANUP(str)
    char *text = template_render_text(fields[use], template, data, TEMPLATE_STRUCT, err);

    if (text == NULL)
        return NULL;
    struct span name = span_trim(span_of(text));
    size_t len = name.len;
    while (use == NAME_OF_CLAIM && len > 0 && name.ptr[len - 1] == '-')
        len--;
    if (name_is_label(name.ptr, len))
        return xstrndup(name.ptr, len);
    if (len == 0)
        error_set(err, ERROR_INVALID, "%s gives an empty name", fields[use]);
    else if (len > NAME_LABEL_MAX)
        error_set(err, ERROR_INVALID, "%s gives \"%.*s\", which has %zu characters", fields[use],
                  (int)name.len, name.ptr, len);
    else
        error_set(err, ERROR_INVALID, "%s gives \"%.*s\", which is no valid name", fields[use],
                  (int)name.len, name.ptr);
    error_hint(err, "use letters of lower case, digits and '-', at most 63");
    return NULL;
}

int name_template_check(enum name_use use, const char *template, struct error **err)
{
    const struct name_subject subject = {"vm", "vm", "plan", "id"};
    char file[] = "disk";
    const struct machine_disk disk = {.name = file};
    json_auto_t *destination =
        obj_pack("{s:s, s:s, s:s}", "type", "multus", "namespace", "ns", "name", "net");
    json_auto_t *data = use == NAME_OF_CLAIM    ? name_data_claim(&subject, 0, &disk)
                        : use == NAME_OF_VOLUME ? name_data_volume(&subject, 0, "claim")
                                                : name_data_network(&subject, 0, destination);

    if (str_is_empty(template))
        return 0;
    CLEANUP(str) char *text = name_template_render(use, template, data, err);
    return text == NULL ? -1 : 0;
}
