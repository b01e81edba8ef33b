/* Disks that come, go or grow while a machine is copied again and again.
 *
 * Between two copies the machine may get other disks.  The snapshot says which it has; once the
 * inventory says the same, tasks and volumes are fitted to it: the volume of a disk that went or
 * grew is removed, a new one is made, and what has a new place among the disks gets that. */
#define LOG_COMPONENT "move"

#include "base/error.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/time.h"
#include "data/obj.h"
#include "kube/kinds.h"
#include "kube/meta.h"
#include "kube/quantity.h"
#include "move/vm/checkpoint.h"
#include "move/vm/labels.h"
#include "move/vm/vm_status.h"
#include "move/vm/volumes.h"
#include "move/vm/warm_state.h"

#include <stdlib.h>

enum { INVENTORY_TIMEOUT_MS = 5 * 60 * 1000 };

/* True if the inventory's disks are those of the snapshot. */
static bool is_current(const struct machine *machine, const struct source_snapshot_disk_list *disks)
{
    size_t known = 0;

    for (size_t i = 0; i < machine->disks.len; i++)
        for (size_t k = 0; k < disks->len; k++)
            if (str_eq(machine->disks.ptr[i].id, disks->ptr[k].id) &&
                str_eq(machine->disks.ptr[i].name, disks->ptr[k].name) &&
                machine->disks.ptr[i].capacity_bytes == disks->ptr[k].capacity_bytes)
                known++;
    return known == machine->disks.len && known == disks->len;
}

/* The place of the disk that CLAIM is for, or -1: it has gone, or does not fit any more. */
static int place_of(const struct machine *machine, const json_t *claim)
{
    const char *name = meta_annotation(claim, ANNOTATION_DISK_SOURCE);
    CLEANUP(error) struct error *ignored = NULL; /* the API server has checked it */
    uint64_t size = 0;

    quantity_parse_bytes(obj_str(claim, "spec.resources.requests.storage", ""), &size, &ignored);
    for (size_t i = 0; i < machine->disks.len; i++)
        if (str_eq(machine->disks.ptr[i].name, name))
            return size == volume_size(machine->disks.ptr[i].capacity_bytes) ? (int)i
                                                                                         : -1;
    return -1;
}

static int move_claim(struct vm_run *run, const json_t *claim, int place, struct error **err)
{
    CLEANUP(str) char *text = xasprintf("%d", place);
    json_auto_t *patch =
        obj_pack("{s:{s:{s:s}}}", "metadata", "annotations", ANNOTATION_DISK_INDEX, text);

    return kube_patch(run->view->room->client, &KIND_PVC, meta_ns(claim), meta_name(claim), NULL,
                      patch, NULL, err);
}

static int remove_claim(struct vm_run *run, const json_t *claim, struct error **err)
{
    log_info("a volume does not fit its disk any more: vm=%s volume=%s", vm_run_id(run),
             meta_name(claim));
    if (meta_is_deleting(claim))
        return 0;
    return kube_delete(run->view->room->client, &KIND_PVC, meta_ns(claim), meta_name(claim),
                       meta_uid(claim), KUBE_DELETE_BACKGROUND, err);
}

/* Gives each volume its place; *LEFT if one that must go is still there. */
static int fit_claims(struct vm_run *run, bool *left, struct error **err)
{
    CLEANUP(str) char *selector =
        labels_selector(run->view->plan, run->migration, vm_run_id(run), NULL);
    json_auto_t *claims = NULL;

    *left = false;
    if (kube_list(run->view->room->client, &KIND_PVC, vm_run_target_ns(run),
                  &(struct kube_list_options){.label_selector = selector}, &claims, err) == -1)
        return error_wrap(err, "cannot look for the VM's volumes");
    for (size_t i = 0; i < json_array_size(claims); i++) {
        const json_t *claim = json_array_get(claims, i);
        int place = place_of(run->machine, claim);
        const char *text = meta_annotation(claim, ANNOTATION_DISK_INDEX);
        uint64_t now = UINT64_MAX;

        if (text == NULL)
            continue; /* not of a disk */
        span_u64(span_of(text), &now);
        if (place == -1) {
            *left = true;
            if (remove_claim(run, claim, err) == -1)
                return -1;
        } else if (now != (uint64_t)place && move_claim(run, claim, place, err) == -1) {
            return -1;
        }
    }
    return 0;
}

/* The step's tasks in the order of the disks; what is known stays. */
static void fit_tasks(const struct machine *machine, json_t *step)
{
    json_t *tasks = json_array();

    for (size_t i = 0; i < machine->disks.len; i++) {
        const struct machine_disk *disk = &machine->disks.ptr[i];
        json_t *task = step_task(step, disk->name);

        if (task != NULL) {
            json_array_append(tasks, task);
            continue;
        }
        task = step_new(disk->name, NULL, (int64_t)(disk->capacity_bytes / BYTES_PER_UNIT));
        step_set_annotation(task, "unit", "MB");
        json_array_append_new(tasks, task);
    }
    obj_take(step, "tasks", tasks);
}

int disk_shape_follow(struct vm_run *run, bool *same, struct error **err)
{
    static const char *const names[] = {PIPELINE_DISK_TRANSFER, PIPELINE_CUTOVER};
    const json_t *precopy = warm_last(run);
    CLEANUP(source_snapshot_disk_list) struct source_snapshot_disk_list disks = {0};
    CLEANUP(error) struct error *ignored = NULL;
    int64_t start = 0;
    bool left = false;

    *same = false;
    if (run->view->ops->warm->snapshot_disks(run->view->source, obj_str(precopy, "snapshot", ""),
                                             &disks, NULL, err) == -1)
        return error_wrap(err, "cannot read the disks of the snapshot");
    if (!is_current(run->machine, &disks)) {
        time_parse(obj_str(precopy, "start", ""), &start, &ignored);
        if (time_now_ms() - start < INVENTORY_TIMEOUT_MS)
            return 0;
        return error_set(err, ERROR_IO,
                         "the inventory does not show the disks that the machine has");
    }
    if (fit_claims(run, &left, err) == -1)
        return -1;
    if (left)
        return 0;
    if (volumes_create_missing(run, err) == -1)
        return -1;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        fit_tasks(run->machine, vm_status_step(run->status, names[i]));
    *same = true;
    return 0;
}
