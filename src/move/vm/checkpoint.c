/* What a copy after the first has to move: the areas that changed, asked of the source and put into
 * a ConfigMap for the importer Pod.
 *
 * A ConfigMap holds a megabyte.  Lists that are longer are made coarser: neighbours with the
 * smallest gaps between them become one area, which copies more than changed and loses nothing. */
#define LOG_COMPONENT "move"

#include "move/vm/checkpoint.h"

#include "base/error.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "data/obj.h"
#include "kube/kinds.h"
#include "kube/meta.h"
#include "move/vm/labels.h"
#include "move/vm/step_warm.h"
#include "move/vm/vm_status.h"
#include "move/vm/volumes.h"
#include "move/vm/warm_state.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
    MAX_AREAS = 20000,        /* in a ConfigMap, of at most 42 bytes */
    FIRST_GAP = 64 * 1024,    /* gaps that are copied too when there are more areas */
    MAX_TEXT = 1024 * 1024,
    SHAPE_POLL_MS = 1000,
};

#define ANNOTATION_PRECOPY "precopy"
#define ANNOTATION_MODE "mode"
#define ANNOTATION_CHANGED "changedBytes"
#define ANNOTATION_AREAS "areas"

/* ---- the list ---------------------------------------------------------------------------- */

static void join_gaps(struct extent_list *list, uint64_t gap)
{
    size_t to = 0;

    for (size_t i = 1; i < list->len; i++) {
        struct extent *last = &list->ptr[to];
        uint64_t end = last->offset + last->length;

        if (list->ptr[i].offset - end <= gap)
            last->length = list->ptr[i].offset + list->ptr[i].length - last->offset;
        else
            list->ptr[++to] = list->ptr[i];
    }
    list->len = list->len == 0 ? 0 : to + 1;
}

void checkpoint_coarsen(struct extent_list *list, size_t max)
{
    for (uint64_t gap = FIRST_GAP; list->len > max; gap *= 2)
        join_gaps(list, gap);
}

static uint64_t sum_of(const struct extent_list *list)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < list->len; i++)
        sum += list->ptr[i].length;
    return sum;
}

/* ---- the ConfigMap ----------------------------------------------------------------------- */

static int put_areas(struct vm_run *run, size_t index, const struct extent_list *list,
                     char **name, struct error **err)
{
    CLEANUP(buf) struct buf text = BUF_INIT(MAX_TEXT);
    CLEANUP(str)
    char *prefix = labels_name_prefix("areas-%.20s-%s-%zu", meta_name(run->view->plan),
                                      vm_run_id(run), index);
    json_auto_t *map = meta_new_generated(&KIND_CONFIG_MAP, vm_run_target_ns(run), prefix);
    json_auto_t *made = NULL;

    for (size_t i = 0; i < list->len; i++)
        buf_printf(&text, "%" PRIu64 " %" PRIu64 "\n", list->ptr[i].offset, list->ptr[i].length);
    if (buf_check(&text, err) == -1)
        return -1;
    obj_take(map, "metadata.labels", labels_new(run->view->plan, run->migration, vm_run_id(run)));
    obj_take(map, "data", obj_pack("{s:s}", "areas", text.ptr));
    if (kube_create(run->view->room->client, &KIND_CONFIG_MAP, vm_run_target_ns(run), map, &made,
                    err) == -1)
        return error_wrap(err, "cannot store the list of changed areas");
    *name = xstrdup(meta_name(made));
    return 0;
}

/* ---- tasks ------------------------------------------------------------------------------- */

static void reset_task(json_t *task, const char *number)
{
    obj_put_str(task, "phase", "Pending");
    obj_del(task, "started");
    obj_del(task, "completed");
    obj_del(task, "reason");
    obj_del(task, "error");
    step_set_progress(task, 0);
    step_set_annotation(task, ANNOTATION_PRECOPY, number);
    step_set_annotation(task, ANNOTATION_MODE, NULL);
    step_set_annotation(task, ANNOTATION_AREAS, NULL);
    step_set_annotation(task, ANNOTATION_CHANGED, NULL);
    step_set_annotation(task, "restarts", NULL);
}

static void set_total(json_t *task, uint64_t bytes)
{
    obj_put_int(task, "progress.total",
                (json_int_t)(bytes / BYTES_PER_UNIT + (bytes % BYTES_PER_UNIT != 0)));
}

static void set_mode(json_t *task, const char *mode, uint64_t bytes)
{
    CLEANUP(str) char *text = xasprintf("%" PRIu64, bytes);

    step_set_annotation(task, ANNOTATION_MODE, mode);
    step_set_annotation(task, ANNOTATION_CHANGED, text);
    set_total(task, bytes);
}

/* The record of changes was begun anew: all of the disk, and that is said. */
static void copy_all(struct vm_run *run, json_t *task, const struct machine_disk *disk,
                     const char *why)
{
    finding_add_item(run->status, "DiskReadAgain", CONDITION_WARN, "ChangesUnknown", NULL,
                     "the source does not know what changed on disks: all of them was copied again",
                     disk->name);
    log_warn("a disk is copied whole again: vm=%s disk=%s reason=%s", vm_run_id(run), disk->name,
             why);
    set_mode(task, CHECKPOINT_FULL, disk->capacity_bytes);
}

/* A volume holds what one copy left there; only on top of the one before this (or this one itself,
 * begun before a crash) do changes make the whole. */
static bool can_take_changes(const struct vm_run *run, const json_t *claim)
{
    const char *text = meta_annotation(claim, ANNOTATION_VOLUME_PRECOPY);
    uint64_t number = 0;

    return text != NULL && span_u64(span_of(text), &number) &&
           (number == warm_count(run) || number + 1 == warm_count(run));
}

static int plan_disk(struct vm_run *run, size_t index, const json_t *claim, json_t *task,
                     struct error **err)
{
    const struct machine_disk *disk = &run->machine->disks.ptr[index];
    const char *since = warm_previous_state(run, disk->name);
    const char *snapshot = obj_str(warm_last(run), "snapshot", "");
    CLEANUP(extent_list) struct extent_list areas = {0};
    CLEANUP(error) struct error *failure = NULL;
    CLEANUP(str) char *name = NULL;

    if (since == NULL || !can_take_changes(run, claim)) {
        copy_all(run, task, disk, "its volume has nothing of the last copy");
        return 0;
    }
    if (run->view->ops->warm->disk_changes(run->view->source, vm_run_id(run), snapshot, disk->id,
                                           since, disk->capacity_bytes, &areas, NULL,
                                           &failure) == -1) {
        if (failure->code != ERROR_EXPIRED) {
            *err = steal(&failure);
            return error_wrap(err, "disk \"%s\"", disk->name);
        }
        CLEANUP(str) char *why = error_format(failure);
        copy_all(run, task, disk, why);
        return 0;
    }
    checkpoint_coarsen(&areas, MAX_AREAS);
    set_mode(task, areas.len > 0 ? CHECKPOINT_DELTA : CHECKPOINT_NOTHING, sum_of(&areas));
    if (areas.len == 0) {
        step_finish(task, "Nothing changed.");
        return 0;
    }
    if (put_areas(run, index, &areas, &name, err) == -1)
        return -1;
    step_set_annotation(task, ANNOTATION_AREAS, name);
    return 0;
}

static void sum_totals(json_t *step)
{
    const json_t *tasks = obj_arr(step, "tasks");
    int64_t sum = 0;

    for (size_t i = 0; i < json_array_size(tasks); i++)
        sum += obj_int(json_array_get(tasks, i), "progress.total", 0);
    obj_put_int(step, "progress.total", sum);
    step_sum_tasks(step);
}

int add_checkpoint_run(struct vm_run *run, bool *done, struct error **err)
{
    json_t *step = vm_run_pipeline_step(run);
    CLEANUP(str) char *number = xasprintf("%zu", warm_count(run));
    json_auto_t *claims = NULL;
    bool same = false;

    if (run->view->source == NULL)
        return error_set(err, ERROR_UNAVAILABLE, "the source provider is not open");
    if (vm_run_describe(run, err) == -1 || disk_shape_follow(run, &same, err) == -1)
        return -1;
    if (!same) {
        step_set_reason(step, "the machine's disks changed: fitting the volumes");
        run->again_ms = SHAPE_POLL_MS;
        return 0;
    }
    if (volumes_list(run, &claims, err) == -1)
        return -1;
    for (size_t i = 0; i < run->machine->disks.len; i++) {
        json_t *task = json_array_get(obj_arr(step, "tasks"), i);

        if (task == NULL)
            return error_set(err, ERROR_BUG, "a disk has no task");
        if (!str_eq(step_annotation(task, ANNOTATION_PRECOPY), number))
            reset_task(task, number);
        if (step_annotation(task, ANNOTATION_MODE) == NULL &&
            plan_disk(run, i, json_array_get(claims, i), task, err) == -1)
            return -1;
    }
    sum_totals(step);
    *done = true;
    return 0;
}

/* ---- for the copy ------------------------------------------------------------------------ */

const char *checkpoint_areas(const json_t *task)
{
    return step_annotation(task, ANNOTATION_AREAS);
}

const char *checkpoint_number(const struct vm_run *run, const json_t *task)
{
    const char *number = step_annotation(task, ANNOTATION_PRECOPY);

    if (vm_run_itinerary(run) != ITINERARY_WARM)
        return NULL;
    return number != NULL ? number : "1";
}

int checkpoint_mark_volumes(struct vm_run *run, const json_t *claims, struct error **err)
{
    CLEANUP(str) char *number = xasprintf("%zu", warm_count(run));

    for (size_t i = 0; i < json_array_size(claims); i++) {
        const json_t *claim = json_array_get(claims, i);

        if (str_eq(meta_annotation(claim, ANNOTATION_VOLUME_PRECOPY), number))
            continue;
        json_auto_t *patch = obj_pack("{s:{s:{s:s}}}", "metadata", "annotations",
                                      ANNOTATION_VOLUME_PRECOPY, number);
        if (kube_patch(run->view->room->client, &KIND_PVC, meta_ns(claim), meta_name(claim), NULL,
                       patch, NULL, err) == -1)
            return error_wrap(err, "cannot mark volume \"%s\"", meta_name(claim));
    }
    return 0;
}
