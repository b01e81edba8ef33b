/* The disks: a volume for each, then an importer pod for each that runs gantry-copy.
 *
 * A copy that was killed is begun again, up to IMPORTER_RETRIES times; one that failed by itself
 * (damaged source, full target) is not.  Progress and the reason of waiting are in the disk's task. */
#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/time.h"
#include "data/obj.h"
#include "kube/kinds.h"
#include "kube/meta.h"
#include "move/vm/checkpoint.h"
#include "move/vm/credentials.h"
#include "move/vm/host.h"
#include "move/vm/labels.h"
#include "move/vm/pods.h"
#include "move/vm/vm_run.h"
#include "move/vm/vm_status.h"
#include "move/vm/volumes.h"
#include "move/vm/warm_state.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define COPY_IMAGE "gantry/copy"
#define TARGET_PATH "/target"
#define MAP_NAME "disk.map"
#define AREAS_PATH "/areas"
#define ANNOTATION_RESTARTS "restarts"
#define ANNOTATION_POD_PRECOPY "gantry.io/precopy"

enum {
    IMPORTER_RETRIES = 3,
    PROGRESS_POLL_MS = 1000,
    WAITING_POLL_MS = 3000,
    VOLUME_TIMEOUT_MS = 60 * 1000, /* for a volume of which there is a warning */
    COPY_BASE_S = 3600,            /* a copy may take this long */
    COPY_BYTES_PER_S = 1 << 20,    /* and a second for each of these */
};

int create_data_volumes_run(struct vm_run *run, bool *done, struct error **err)
{
    if (volumes_create_missing(run, err) == -1)
        return -1;
    *done = true;
    return 0;
}

/* The pod that copies disk INDEX, in a warm migration for the copy NUMBER. */
static const json_t *find_pod(const json_t *pods, size_t index, const char *number)
{
    for (size_t i = 0; i < json_array_size(pods); i++) {
        const json_t *pod = json_array_get(pods, i);
        const char *text = meta_annotation(pod, ANNOTATION_DISK_INDEX);
        uint64_t at;
        if (!meta_is_deleting(pod) && text != NULL && span_u64(span_of(text), &at) &&
            at == index && (number == NULL ||
                            str_eq(meta_annotation(pod, ANNOTATION_POD_PRECOPY), number)))
            return pod;
    }
    return NULL;
}

static json_t *copy_args(const struct vm_run *run, const struct source_disk_access *access,
                         const json_t *claim, const char *areas, bool is_first)
{
    CLEANUP(str) char *target = volume_disk_path(claim, TARGET_PATH);
    json_t *args = obj_pack("[s]", "--progress=json");

    /* Beside the disk, where the volume has a place for it.  Later copies of a warm migration read
     * something else than the map is about. */
    if (!volume_is_block(claim) && is_first) {
        json_array_append_new(args, json_string("--checkpoint"));
        json_array_append_new(args, json_string(TARGET_PATH "/" MAP_NAME));
    }

    if (access->digest != NULL) {
        json_array_append_new(args, json_string("--expect"));
        json_array_append_new(args, json_string(access->digest));
    }
    if (access->format != NULL) {
        json_array_append_new(args, json_string("--source-format"));
        json_array_append_new(args, json_string(access->format));
    }
    for (size_t i = 0; i < json_array_size(access->options); i++)
        json_array_append(args, json_array_get(access->options, i));
    if (areas != NULL) {
        json_array_append_new(args, json_string("--extents"));
        json_array_append_new(args, json_string(AREAS_PATH "/areas"));
    }
    json_array_append_new(args, json_string(access->uri));
    json_array_append_new(args, json_string(target));
    return args;
}

static void add_volume(json_t *spec, json_t *volume, const char *name, const char *path)
{
    obj_put_str(volume, "name", name);
    obj_take(spec, "volumes[]", volume);
    obj_take(spec, "containers[0].volumeMounts[]",
             obj_pack("{s:s, s:s, s:b}", "name", name, "mountPath", path, "readOnly", 1));
}

/* What the pod needs beside its target: the source, the way in, and what of it is to be copied. */
static int add_source(struct vm_run *run, json_t *spec, const struct source_disk_access *access,
                      const char *areas, struct error **err)
{
    CLEANUP(str) char *secret = NULL;

    if (access->volume != NULL)
        add_volume(spec, obj_copy(access->volume), "source", access->mount_path);
    if (access->init_image != NULL)
        obj_take(spec, "initContainers[]",
                 obj_pack("{s:s, s:s, s:[{s:s, s:s}]}", "name", "vddk-side-car", "image",
                          access->init_image, "volumeMounts", "name", "source", "mountPath",
                          "/opt"));
    if (areas != NULL)
        add_volume(spec, obj_pack("{s:{s:s}}", "configMap", "name", areas), "areas", AREAS_PATH);
    if (access->credentials == NULL)
        return 0;
    if (credentials_ensure(run, access->credentials, &secret, err) == -1)
        return -1;
    json_t *args = json_array();
    credentials_add_to_pod(spec, access->credentials, secret, args);
    json_array_extend(args, obj_arr(spec, "containers[0].args"));
    obj_take(spec, "containers[0].args", args);
    return 0;
}

static int start_copy(struct vm_run *run, size_t index, const json_t *claim, json_t *task,
                      struct error **err)
{
    const struct machine_disk *disk = &run->machine->disks.ptr[index];
    const char *areas = checkpoint_areas(task), *number = checkpoint_number(run, task);
    CLEANUP(source_disk_access) struct source_disk_access access = {0};
    CLEANUP(str) char *position = xasprintf("%zu", index);
    CLEANUP(str) char *prefix =
        labels_name_prefix("importer-%.20s-%s", meta_name(run->view->plan), vm_run_id(run));

    if (run->view->source == NULL)
        return error_set(err, ERROR_UNAVAILABLE, "the source provider is not open");
    if (run->view->ops->disk_access(run->view->source, run->vm, run->machine, index,
                                    obj_str(warm_last(run), "snapshot", NULL), &access, err) == -1 ||
        host_route(run->view, run->vm, &access, err) == -1)
        return error_wrap(err, "disk \"%s\"", disk->name);
    step_set_annotation(task, "access", access.reason);

    int64_t deadline_s = COPY_BASE_S + (int64_t)(disk->capacity_bytes / COPY_BYTES_PER_S);
    json_auto_t *pod = pod_manifest(run, APP_IMPORTER, prefix, "importer", COPY_IMAGE,
                                    copy_args(run, &access, claim, areas,
                                              number == NULL || str_eq(number, "1")),
                                    deadline_s);
    meta_set_annotation(pod, ANNOTATION_DISK_INDEX, position);
    if (number != NULL)
        meta_set_annotation(pod, ANNOTATION_POD_PRECOPY, number);
    volume_add_to_pod(obj_obj(pod, "spec"), claim, "target", TARGET_PATH);
    if (add_source(run, obj_obj(pod, "spec"), &access, areas, err) == -1)
        return -1;
    if (kube_create(run->view->room->client, &KIND_POD, vm_run_target_ns(run), pod, NULL, err) ==
        -1)
        return error_wrap(err, "cannot start copying disk \"%s\"", disk->name);
    return 0;
}

/* done and total are bytes; the task counts MiB. */
static void show_progress(json_t *task, const json_t *report)
{
    double done = (double)obj_int(report, "done", 0);
    double total = (double)obj_int(report, "total", 0);
    int64_t units = obj_int(task, "progress.total", 0);

    if (total > 0 && done >= 0)
        step_set_progress(task, (int64_t)((double)units * (done > total ? 1 : done / total)));
}

/* What the copy says of itself at its end stays in the task. */
static void keep_result(json_t *task, const json_t *report)
{
    static const char *const keys[] = {"sha256", "sha1", "sha512",       "format", "bytes", "written",
                                       "kept",   "repaired", "milliseconds", "map"};
    int64_t bytes = obj_int(report, "bytes", 0);
    int64_t stored = obj_int(report, "written", 0) + obj_int(report, "kept", 0);

    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        const json_t *value = json_object_get(report, keys[i]);
        if (json_is_string(value)) {
            step_set_annotation(task, keys[i], json_string_value(value));
        } else if (json_is_number(value)) {
            CLEANUP(str) char *text = obj_format(value);
            step_set_annotation(task, keys[i], text);
        }
    }
    if (bytes >= stored) {
        CLEANUP(str) char *holes = xasprintf("%" PRId64, bytes - stored);
        step_set_annotation(task, "holes", holes);
    }
}

/* The pod is gone for good: again, or the task's error. */
static int handle_failure(struct vm_run *run, const json_t *pod, json_t *task,
                          const struct pod_outcome *outcome, struct error **err)
{
    const char *text = step_annotation(task, ANNOTATION_RESTARTS);
    uint64_t restarts = 0;

    if (text != NULL)
        span_u64(span_of(text), &restarts);
    if (outcome->may_pass && restarts < IMPORTER_RETRIES) {
        CLEANUP(str) char *count = xasprintf("%" PRIu64, restarts + 1);
        step_set_annotation(task, ANNOTATION_RESTARTS, count);
        step_set_reason(task, outcome->message);
        run->again_ms = 100;
        return kube_delete(run->view->room->client, &KIND_POD, meta_ns(pod), meta_name(pod),
                           meta_uid(pod), KUBE_DELETE_BACKGROUND, err);
    }
    error_add_reason(task, "CopyDisks", outcome->message);
    obj_put_str(task, "phase", "Completed");
    timed_complete(task);
    error_set(err, ERROR_INVALID, "disk \"%s\": %s", obj_str(task, "name", ""), outcome->message);
    return outcome->hint != NULL ? error_hint(err, "%s", outcome->hint) : -1;
}

/* The newest warning about a claim that is not bound, or NULL; owned by the caller. */
static int find_claim_trouble(struct vm_run *run, const json_t *claim, char **trouble,
                              struct error **err)
{
    CLEANUP(str) char *selector =
        xasprintf("involvedObject.uid=%s,type=Warning", meta_uid(claim));
    json_auto_t *events = NULL;
    const json_t *newest = NULL;

    if (!str_eq(obj_str(claim, "status.phase", "Pending"), "Pending"))
        return 0;
    if (kube_list(run->view->room->client, &KIND_EVENT, meta_ns(claim),
                  &(struct kube_list_options){.field_selector = selector}, &events, err) == -1)
        return -1;
    for (size_t i = 0; i < json_array_size(events); i++) {
        const json_t *event = json_array_get(events, i);
        if (newest == NULL || strcmp(obj_str(event, "lastTimestamp", ""),
                                     obj_str(newest, "lastTimestamp", "")) >= 0)
            newest = event;
    }
    if (obj_str(newest, "message", NULL) != NULL)
        *trouble = xasprintf("volume \"%s\": %s", meta_name(claim), obj_str(newest, "message", ""));
    return 0;
}

/* The pod has not begun: because of its volume, or as it says itself. */
static int copy_waits(struct vm_run *run, const json_t *claim, const struct pod_outcome *outcome,
                      json_t *task, struct error **err)
{
    CLEANUP(str) char *trouble = NULL;

    if (find_claim_trouble(run, claim, &trouble, err) == -1)
        return -1;
    step_set_reason(task, trouble != NULL ? trouble : outcome->message);
    run->again_ms = WAITING_POLL_MS;
    if (trouble == NULL || time_now_ms() - meta_created_ms(claim) < VOLUME_TIMEOUT_MS)
        return 0;
    error_set(err, ERROR_INVALID, "disk \"%s\": %s", obj_str(task, "name", ""), trouble);
    return error_hint(err, "make room, or map its storage to another storage class");
}

static int copy_disk(struct vm_run *run, size_t index, const json_t *claim, const json_t *pods,
                     json_t *task, struct error **err)
{
    const json_t *pod = find_pod(pods, index, checkpoint_number(run, task));
    CLEANUP(pod_outcome) struct pod_outcome outcome = {0};

    if (!json_is_object(claim))
        return error_set(err, ERROR_NOT_FOUND, "the volume of disk \"%s\" is gone",
                         obj_str(task, "name", ""));
    if (pod == NULL) {
        run->again_ms = PROGRESS_POLL_MS;
        return start_copy(run, index, claim, task, err);
    }
    if (pod_look(run, pod, &outcome, err) == -1)
        return -1;
    switch (outcome.state) {
    case POD_WAITING:
        return copy_waits(run, claim, &outcome, task, err);
    case POD_RUNNING:
        step_begin(task);
        step_set_reason(task, NULL);
        show_progress(task, outcome.report);
        run->again_ms = PROGRESS_POLL_MS;
        return 0;
    case POD_SUCCEEDED:
        step_begin(task);
        keep_result(task, outcome.report);
        step_finish(task, "Transfer completed.");
        return 0;
    case POD_FAILED:
        step_begin(task);
        return handle_failure(run, pod, task, &outcome, err);
    }
    return 0;
}

int copy_disks_run(struct vm_run *run, bool *done, struct error **err)
{
    json_t *step = vm_run_pipeline_step(run);
    json_auto_t *claims = NULL, *pods = NULL;
    bool all = true;

    if (volumes_list(run, &claims, err) == -1 || pods_list(run, APP_IMPORTER, &pods, err) == -1)
        return -1;
    for (size_t i = 0; i < json_array_size(claims); i++) {
        json_t *task = json_array_get(obj_arr(step, "tasks"), i);
        if (task == NULL)
            return error_set(err, ERROR_INVALID,
                             "the source machine has more disks than when the migration began");
        if (step_is_finished(task))
            continue;
        if (copy_disk(run, i, json_array_get(claims, i), pods, task, err) == -1)
            return -1;
        all = all && step_is_finished(task);
    }
    step_sum_tasks(step);
    if (all && vm_run_itinerary(run) == ITINERARY_WARM) {
        if (checkpoint_mark_volumes(run, claims, err) == -1)
            return -1;
        warm_end(run, run->view->settings.precopy_interval_ms);
    }
    if (all && (vm_run_itinerary(run) == ITINERARY_COLD || vm_run_step(run) == STEP_FINALIZE))
        obj_put_bool(run->status, "disksCopied", true);
    *done = all;
    return 0;
}
