#include "move/vm/target.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/time.h"
#include "data/obj.h"
#include "kube/kinds.h"
#include "kube/meta.h"
#include "move/vm/labels.h"

#include <stdlib.h>

int target_mark_done(struct vm_run *run, const json_t *vm, struct error **err)
{
    char now[TIME_TEXT_SIZE];

    if (meta_annotation(vm, ANNOTATION_TARGET_DONE) != NULL)
        return 0;
    json_auto_t *patch = obj_pack("{s:{s:{s:s}}}", "metadata", "annotations",
                                  ANNOTATION_TARGET_DONE, time_format(time_now_ms(), now));
    if (kube_patch(run->view->room->client, &KIND_VM, meta_ns(vm), meta_name(vm), NULL, patch, NULL,
                   err) == -1)
        return error_wrap(err, "cannot mark machine \"%s\" as done", meta_name(vm));
    return 0;
}

static int is_running(struct vm_run *run, const json_t *vm, bool *running, struct error **err)
{
    json_auto_t *instance = NULL;

    if (kube_get(run->view->room->client, &KIND_VMI, meta_ns(vm), meta_name(vm), &instance, err) ==
        -1)
        return error_wrap(err, "cannot see whether machine \"%s\" runs", meta_name(vm));
    const char *phase = obj_str(instance, "status.phase", "");
    *running = str_eq(phase, "Running") || str_eq(phase, "Unknown");
    return 0;
}

int target_find_kept(struct vm_run *run, json_t **vm, const char **why, struct error **err)
{
    CLEANUP(str) char *selector =
        labels_selector(run->view->plan, NULL, vm_run_id(run), "resource=vm-config");
    json_auto_t *items = NULL;

    if (kube_list(run->view->room->client, &KIND_VM, vm_run_target_ns(run),
                  &(struct kube_list_options){.label_selector = selector}, &items, err) == -1)
        return error_wrap(err, "cannot look for the target machine");
    for (size_t i = 0; i < json_array_size(items); i++) {
        json_t *machine = json_array_get(items, i);
        bool done = meta_annotation(machine, ANNOTATION_TARGET_DONE) != NULL;
        bool running = false;
        if (!done && str_eq(meta_label(machine, "migration"), meta_uid(run->migration)))
            continue;
        if (!done && is_running(run, machine, &running, err) == -1)
            return -1;
        if (!done && !running)
            continue;
        *why = done ? "is done" : "runs";
        *vm = json_incref(machine);
        return 0;
    }
    return 0;
}
