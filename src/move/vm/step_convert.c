/* Guest conversion: one pod over all disks of the VM, in place. */
#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "data/obj.h"
#include "kube/kinds.h"
#include "kube/meta.h"
#include "move/vm/labels.h"
#include "move/vm/pods.h"
#include "move/vm/vm_run.h"
#include "move/vm/vm_status.h"
#include "move/vm/volumes.h"

#include <inttypes.h>
#include <stdlib.h>

#define CONVERT_IMAGE "gantry/convert"
#define ANNOTATION_RESTARTS "restarts"

enum {
    CONVERT_RETRIES = 2,
    CONVERT_DEADLINE_S = 4 * 3600,
    PROGRESS_POLL_MS = 2000,
    WAITING_POLL_MS = 3000,
    PERCENT = 100,
};

static const json_t *find_pod(const json_t *pods)
{
    for (size_t i = 0; i < json_array_size(pods); i++)
        if (!meta_is_deleting(json_array_get(pods, i)))
            return json_array_get(pods, i);
    return NULL;
}

static json_t *convert_args(const struct vm_run *run, const json_t *claims)
{
    const char *root = obj_str(run->status, "rootDisk", "");
    const struct str_list *addresses = &run->machine->static_ips;
    json_t *args = obj_pack("[s]", "--progress=json");

    for (size_t i = 0;
         obj_bool(run->view->plan, "spec.preserveStaticIPs", false) && i < addresses->len; i++) {
        json_array_append_new(args, json_string("--mac"));
        json_array_append_new(args, json_string(addresses->ptr[i]));
    }

    if (root[0] != '\0') {
        json_array_append_new(args, json_string("--root"));
        json_array_append_new(args, json_string(root));
    }
    for (size_t i = 0; i < json_array_size(claims); i++) {
        CLEANUP(str) char *path = xasprintf("/disks/%zu", i);
        CLEANUP(str) char *disk = volume_disk_path(json_array_get(claims, i), path);
        json_array_append_new(args, json_string(disk));
    }
    return args;
}

static void add_plan_wishes(const struct vm_run *run, json_t *pod)
{
    const json_t *plan = run->view->plan;
    const json_t *labels = obj_obj(plan, "spec.convertorLabels");
    const char *key;
    json_t *value;

    json_object_foreach ((json_t *)(uintptr_t)labels, key, value)
        if (meta_label(pod, key) == NULL)
            meta_set_label(pod, key, json_string_value(value));
    if (obj_obj(plan, "spec.convertorNodeSelector") != NULL)
        obj_take(pod, "spec.nodeSelector", obj_copy(obj_obj(plan, "spec.convertorNodeSelector")));
    if (obj_obj(plan, "spec.convertorAffinity") != NULL)
        obj_take(pod, "spec.affinity", obj_copy(obj_obj(plan, "spec.convertorAffinity")));
}

static int start(struct vm_run *run, const json_t *claims, struct error **err)
{
    const char *image = obj_str(run->view->plan, "spec.virtV2vImage", "");
    CLEANUP(str) char *prefix =
        labels_name_prefix("%.30s-%s", meta_name(run->view->plan), vm_run_id(run));
    json_auto_t *pod = pod_manifest(run, APP_CONVERSION, prefix, "virt-v2v",
                                    image[0] != '\0' ? image : CONVERT_IMAGE,
                                    convert_args(run, claims), CONVERT_DEADLINE_S);

    for (size_t i = 0; i < json_array_size(claims); i++) {
        CLEANUP(str) char *path = xasprintf("/disks/%zu", i);
        CLEANUP(str) char *name = xasprintf("disk-%zu", i);
        if (!json_is_object(json_array_get(claims, i)))
            return error_set(err, ERROR_NOT_FOUND, "the volume of disk %zu is gone", i);
        volume_add_to_pod(obj_obj(pod, "spec"), json_array_get(claims, i), name, path);
    }
    if (obj_str(run->status, "luks.name", NULL) != NULL) {
        obj_take(pod, "spec.volumes[]",
                 obj_pack("{s:s, s:{s:s}}", "name", "luks", "secret", "secretName",
                          obj_str(run->status, "luks.name", "")));
        obj_take(pod, "spec.containers[0].volumeMounts[]",
                 obj_pack("{s:s, s:s, s:b}", "name", "luks", "mountPath", "/etc/luks", "readOnly",
                          1));
    }
    add_plan_wishes(run, pod);
    if (kube_create(run->view->room->client, &KIND_POD, vm_run_target_ns(run), pod, NULL, err) ==
        -1)
        return error_wrap(err, "cannot start the conversion");
    return 0;
}

int create_conversion_pod_run(struct vm_run *run, bool *done, struct error **err)
{
    json_auto_t *claims = NULL, *pods = NULL;

    if (volumes_list(run, &claims, err) == -1 || pods_list(run, APP_CONVERSION, &pods, err) == -1)
        return -1;
    if (find_pod(pods) == NULL && start(run, claims, err) == -1)
        return -1;
    *done = true;
    return 0;
}

/* What the inspection found: operating system, firmware, root disk. */
static void keep_inspection(struct vm_run *run, const json_t *report)
{
    const json_t *found = obj_obj(report, "inspection");
    const char *os = obj_str(found, "osinfo", obj_str(found, "os", NULL));
    const char *firmware = obj_str(found, "firmware", NULL);
    json_t *step = vm_run_pipeline_step(run);
    const char *key;
    json_t *value;

    if (os != NULL)
        obj_put_str(run->status, "operatingSystem", os);
    if (str_eq(firmware, "uefi") || str_eq(firmware, "bios"))
        obj_put_str(run->status, "firmware", firmware);
    if (json_is_integer(json_object_get(found, "bootDisk")))
        obj_put_int(run->status, "detectedBootDisk", obj_int(found, "bootDisk", 0));
    json_object_foreach ((json_t *)(uintptr_t)found, key, value)
        if (json_is_string(value))
            step_set_annotation(step, key, json_string_value(value));
}

static void show_progress(json_t *step, const json_t *report)
{
    const char *stage = obj_str(report, "stage", NULL);
    int64_t percent = obj_int(report, "percent", -1);

    if (stage == NULL)
        return;
    CLEANUP(str) char *text = percent >= 0 && percent <= PERCENT
                                  ? xasprintf("%s (%" PRId64 "%%)", stage, percent)
                                  : xstrdup(stage);
    step_set_reason(step, text);
}

static int handle_failure(struct vm_run *run, const json_t *pod, const struct pod_outcome *outcome,
                          struct error **err)
{
    json_t *step = vm_run_pipeline_step(run);
    const char *text = step_annotation(step, ANNOTATION_RESTARTS);
    uint64_t restarts = 0;

    if (text != NULL)
        span_u64(span_of(text), &restarts);
    if (outcome->may_pass && restarts < CONVERT_RETRIES) {
        CLEANUP(str) char *count = xasprintf("%" PRIu64, restarts + 1);
        step_set_annotation(step, ANNOTATION_RESTARTS, count);
        return kube_delete(run->view->room->client, &KIND_POD, meta_ns(pod), meta_name(pod),
                           meta_uid(pod), KUBE_DELETE_BACKGROUND, err);
    }
    error_set(err, ERROR_INVALID, "guest conversion: %s", outcome->message);
    return error_hint(err, "%s",
                      outcome->hint != NULL
                          ? outcome->hint
                          : "spec.skipGuestConversion moves the disks as they are");
}

int convert_guest_run(struct vm_run *run, bool *done, struct error **err)
{
    json_t *step = vm_run_pipeline_step(run);
    json_auto_t *pods = NULL, *claims = NULL;
    CLEANUP(pod_outcome) struct pod_outcome outcome = {0};

    if (pods_list(run, APP_CONVERSION, &pods, err) == -1)
        return -1;
    const json_t *pod = find_pod(pods);
    if (pod == NULL) {
        /* Deleted by somebody, or by us for another try: the disks are as before, because a
         * conversion commits only at its end. */
        run->again_ms = WAITING_POLL_MS;
        if (volumes_list(run, &claims, err) == -1)
            return -1;
        return start(run, claims, err);
    }
    if (pod_look(run, pod, &outcome, err) == -1)
        return -1;
    switch (outcome.state) {
    case POD_WAITING:
        step_set_reason(step, outcome.message);
        run->again_ms = WAITING_POLL_MS;
        return 0;
    case POD_RUNNING:
        show_progress(step, outcome.report);
        run->again_ms = PROGRESS_POLL_MS;
        return 0;
    case POD_SUCCEEDED:
        keep_inspection(run, outcome.report);
        step_set_reason(step, NULL);
        *done = true;
        return 0;
    case POD_FAILED:
        break;
    }
    run->again_ms = WAITING_POLL_MS;
    return handle_failure(run, pod, &outcome, err);
}
