/* The target machine: made, given its volumes, and waited for if it is to run. */
#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/time.h"
#include "data/obj.h"
#include "kube/conditions.h"
#include "kube/kinds.h"
#include "kube/meta.h"
#include "move/vm/builder.h"
#include "move/vm/labels.h"
#include "move/vm/target.h"
#include "move/vm/vm_run.h"
#include "move/vm/vm_status.h"
#include "move/vm/volumes.h"

#include <stdlib.h>

enum { POLL_MS = 2000, START_TIMEOUT_MS = 10 * 60 * 1000 };

/* The machine made in this migration, or NULL. */
static int find_vm(struct vm_run *run, json_t **vm, struct error **err)
{
    CLEANUP(str) char *selector =
        labels_selector(run->view->plan, run->migration, vm_run_id(run), NULL);
    json_auto_t *items = NULL;

    if (kube_list(run->view->room->client, &KIND_VM, vm_run_target_ns(run),
                  &(struct kube_list_options){.label_selector = selector}, &items, err) == -1)
        return error_wrap(err, "cannot look for the target machine");
    *vm = json_incref(json_array_get(items, 0));
    return 0;
}

/* Volumes belong to the machine: they go with it. */
static int adopt_volumes(struct vm_run *run, const json_t *claims, const json_t *vm,
                         struct error **err)
{
    for (size_t i = 0; i < json_array_size(claims); i++) {
        const json_t *claim = json_array_get(claims, i);
        if (meta_is_owned_by(claim, meta_uid(vm)))
            continue;
        json_auto_t *patch =
            obj_pack("{s:{s:[{s:s, s:s, s:s, s:s}]}}", "metadata", "ownerReferences", "apiVersion",
                     "kubevirt.io/v1", "kind", "VirtualMachine", "name", meta_name(vm), "uid",
                     meta_uid(vm));
        if (kube_patch(run->view->room->client, &KIND_PVC, meta_ns(claim), meta_name(claim), NULL,
                       patch, NULL, err) == -1)
            return error_wrap(err, "cannot give volume \"%s\" to the machine", meta_name(claim));
    }
    return 0;
}

static int make(struct vm_run *run, json_t **vm, struct error **err)
{
    json_auto_t *claims = NULL, *manifest = NULL;

    if (volumes_list(run, &claims, err) == -1)
        return -1;
    for (size_t i = 0; i < json_array_size(claims); i++)
        if (!json_is_object(json_array_get(claims, i)))
            return error_set(err, ERROR_NOT_FOUND, "the volume of disk %zu is gone", i);
    if (*vm == NULL) {
        if (builder_make(run, claims, &manifest, err) == -1)
            return -1;
        if (kube_create(run->view->room->client, &KIND_VM, vm_run_target_ns(run), manifest, vm,
                        err) == -1)
            return error_wrap(err, "cannot make the machine \"%s\"", vm_run_target_name(run));
    }
    return adopt_volumes(run, claims, *vm, err);
}

static const char *message_of(const json_t *object, const char *type, const char *when)
{
    const json_t *condition = conditions_find(obj_at(object, "status"), type);

    return str_eq(obj_str(condition, "status", ""), when) ? obj_str(condition, "message", NULL)
                                                          : NULL;
}

/* What keeps a machine from running, or NULL.  Ready says least: that it does not run. */
static const char *trouble_of(const json_t *object)
{
    const char *message = message_of(object, "Failure", "True");

    if (message == NULL)
        message = message_of(object, "Synchronized", "False");
    return message != NULL ? message : message_of(object, "Ready", "False");
}

static int wait_for_start(struct vm_run *run, const json_t *vm, bool *done, struct error **err)
{
    json_t *step = vm_run_pipeline_step(run);
    json_auto_t *instance = NULL;

    if (kube_get(run->view->room->client, &KIND_VMI, meta_ns(vm), meta_name(vm), &instance, err) ==
        -1)
        return -1;
    const char *phase = obj_str(instance, "status.phase", "Pending");
    const char *trouble = trouble_of(instance);
    if (trouble == NULL)
        trouble = trouble_of(vm);
    if (str_eq(phase, "Running")) {
        step_set_reason(step, NULL);
        *done = true;
        return 0;
    }
    if (time_now_ms() - meta_created_ms(vm) > START_TIMEOUT_MS) {
        error_set(err, ERROR_IO, "the machine \"%s\" does not run: %s", meta_name(vm),
                  trouble != NULL ? trouble : "no reason is given");
        return error_hint(err, "kubectl describe vm,vmi -n %s %s", meta_ns(vm), meta_name(vm));
    }
    CLEANUP(str) char *reason =
        trouble != NULL ? xasprintf("waiting for the machine to run (%s): %s", phase, trouble)
                        : xasprintf("waiting for the machine to run (%s)", phase);
    step_set_reason(step, reason);
    run->again_ms = POLL_MS;
    return 0;
}

/* From the wish to stop the source until the target was there, and what the last copy moved. */
static void show_downtime(struct vm_run *run)
{
    json_t *cutover = vm_status_step(run->status, PIPELINE_CUTOVER);
    const char *asked = cutover != NULL ? step_annotation(cutover, "powerOffAsked") : NULL;
    CLEANUP(error) struct error *ignored = NULL; /* we wrote it */
    int64_t since = 0;

    if (asked == NULL || step_annotation(cutover, "downtimeSeconds") != NULL ||
        time_parse(asked, &since, &ignored) == -1)
        return;
    CLEANUP(str) char *text = xasprintf("%.1f", (double)(time_now_ms() - since) / 1000);
    step_set_annotation(cutover, "downtimeSeconds", text);
    room_event(run->view->room, &KIND_PLAN, run->view->plan, EVENT_NORMAL, "VMCutOver",
               "VM \"%s\" was down for %s s; the last copy moved %lld MB",
               obj_str(run->status, "name", ""), text,
               (long long)obj_int(cutover, "progress.total", 0));
}

int create_vm_run(struct vm_run *run, bool *done, struct error **err)
{
    json_auto_t *vm = NULL;
    bool ready = false;

    if (find_vm(run, &vm, err) == -1 || make(run, &vm, err) == -1)
        return -1;
    if (!str_eq(obj_str(vm, "spec.runStrategy", "Halted"), "Always"))
        ready = true;
    else if (wait_for_start(run, vm, &ready, err) == -1)
        return -1;
    if (ready && target_mark_done(run, vm, err) == -1)
        return -1;
    if (ready)
        show_downtime(run);
    *done = ready;
    return 0;
}
