#define LOG_COMPONENT "move"

#include "move/vm/disk_names.h"

#include "base/error.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "data/obj.h"
#include "kube/meta.h"
#include "move/vm/labels.h"
#include "move/vm/name_templates.h"

#include <stdlib.h>
#include <string.h>

static struct name_subject subject_of(const struct vm_run *run)
{
    return (struct name_subject){.vm = obj_str(run->status, "name", ""),
                                 .target = vm_run_target_name(run),
                                 .plan = meta_name(run->view->plan),
                                 .id = vm_run_id(run)};
}

void disk_name_make(struct vm_run *run, size_t index, struct disk_name *name)
{
    const struct name_subject subject = subject_of(run);
    const char *template = name_template_find(NAME_OF_CLAIM, run->status, run->view->plan,
                                              run->view->settings.pvc_name_template);
    CLEANUP(error) struct error *failure = NULL;
    json_auto_t *data = name_data_claim(&subject, index, &run->machine->disks.ptr[index]);
    CLEANUP(str)
    char *text = name_template_render(
        NAME_OF_CLAIM, template != NULL ? template : DISK_NAME_BUILT_IN, data, &failure);

    name->generate = obj_bool(run->view->plan, "spec.pvcNameTemplateUseGenerateName", true);
    if (text == NULL) {
        log_warn_error(failure, "a volume gets another name");
        name->generate = true;
        name->text = labels_name_prefix("%s-%s", subject.plan, subject.id);
        return;
    }
    name->text = name->generate ? labels_name_prefix("%s", text) : xstrdup(text);
}

void disk_name_reset(struct disk_name *name)
{
    free(name->text);
    memset(name, 0, sizeof(*name));
}

/* By the template for USE with DATA; NULL if there is none, it fails, or the name is used. */
static char *render(const struct vm_run *run, enum name_use use, const json_t *data,
                    const json_t *used)
{
    const char *template = name_template_find(use, run->status, run->view->plan, NULL);
    CLEANUP(error) struct error *failure = NULL;

    if (template == NULL)
        return NULL;
    CLEANUP(str) char *text = name_template_render(use, template, data, &failure);
    if (text == NULL)
        log_warn_error(failure, "a part of the target machine gets its usual name");
    else if (json_object_get(used, text) != NULL)
        log_warn("a name is used already, a part of the target machine gets its usual one: "
                 "template=%s name=%s",
                 name_template_field(use), text);
    else
        return steal(&text);
    return NULL;
}

/* TEXT, or else PREFIX and a number that nobody has. */
static char *settle(char *text, const char *prefix, size_t index, json_t *used)
{
    for (size_t n = index; text == NULL; n++) {
        text = xasprintf("%s-%zu", prefix, n);
        if (json_object_get(used, text) == NULL)
            break;
        free(text);
        text = NULL;
    }
    json_object_set_new(used, text, json_true());
    return text;
}

char *volume_name_make(const struct vm_run *run, size_t index, const char *claim, json_t *used)
{
    const struct name_subject subject = subject_of(run);
    json_auto_t *data = name_data_volume(&subject, index, claim);

    return settle(render(run, NAME_OF_VOLUME, data, used), "vol", index, used);
}

char *network_name_make(const struct vm_run *run, size_t index, const json_t *destination,
                        json_t *used)
{
    const struct name_subject subject = subject_of(run);
    json_auto_t *data = name_data_network(&subject, index, destination);

    return settle(render(run, NAME_OF_NETWORK, data, used), "net", index, used);
}
