/* Snapshots of the source, and the wait between copies.
 *
 * A crash may come between a request and the status that remembers it.  So a snapshot carries in its
 * description whose it is and for which copy; before one is made, ours are looked for: the one that
 * was to be made is taken, all others are left from a crash and are removed. */
#define LOG_COMPONENT "move"

#include "move/vm/step_warm.h"

#include "base/error.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/time.h"
#include "data/obj.h"
#include "kube/kinds.h"
#include "kube/meta.h"
#include "move/vm/vm_status.h"
#include "move/vm/warm_state.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define SNAPSHOT_NAME "forklift-migration-precopy"
#define ANNOTATION_TRACKING_TASK "trackingTask"
#define ANNOTATION_QUIESCE "quiesce"

enum {
    POLL_MS = 1000,
    MAX_SNAPSHOTS = 28,                 /* of a machine whose changes are tracked */
    SNAPSHOT_TIMEOUT_MS = 10 * 60 * 1000,
    PAUSED_POLL_MS = 10 * 1000,         /* so late may a changed cutover be seen */
};

static const struct source_warm_ops *ops_of(const struct vm_run *run)
{
    return run->view->ops->warm;
}

static int need_source(const struct vm_run *run, struct error **err)
{
    if (run->view->source == NULL)
        return error_set(err, ERROR_UNAVAILABLE, "the source provider is not open");
    return 0;
}

/* Waits on: REASON is shown. */
static int wait_on(struct vm_run *run, int64_t ms, const char *reason)
{
    step_set_reason(vm_run_pipeline_step(run), reason);
    run->again_ms = ms;
    return 0;
}

static int list_snapshots(struct vm_run *run, struct source_snapshot_list *list,
                          struct error **err)
{
    if (need_source(run, err) == -1 ||
        ops_of(run)->snapshot_list(run->view->source, vm_run_id(run), list, NULL, err) == -1)
        return error_wrap(err, "cannot look at the machine's snapshots");
    return 0;
}

/* ---- change tracking --------------------------------------------------------------------- */

/* Sees to it that changes are tracked before the first snapshot. */
static int ensure_tracked(struct vm_run *run, bool *tracked, struct error **err)
{
    json_t *step = vm_run_pipeline_step(run);
    const char *task = step_annotation(step, ANNOTATION_TRACKING_TASK);
    enum source_task state = SOURCE_TASK_DONE;
    char *begun = NULL;

    if (task != NULL &&
        ops_of(run)->task_get(run->view->source, task, &state, NULL, NULL, err) == -1)
        return error_wrap(err, "cannot have the source track changes");
    if (state == SOURCE_TASK_RUNNING)
        return 0;
    if (ops_of(run)->track(run->view->source, vm_run_id(run), tracked, &begun, NULL, err) == -1)
        return error_wrap(err, "cannot have the source track changes");
    if (begun != NULL) {
        log_info("change tracking is switched on: vm=%s", vm_run_id(run));
        step_set_annotation(step, ANNOTATION_TRACKING_TASK, begun);
    }
    free(begun);
    return 0;
}

/* ---- making ------------------------------------------------------------------------------ */

/* Removes what a crash left; *LEFT says whether anything is still there.  The one that was to be
 * made for the copy NUMBER, if it exists, is given in *FOUND (owned). */
static int sort_out(struct vm_run *run, size_t number, char **found, bool *left,
                    struct error **err)
{
    CLEANUP(source_snapshot_list) struct source_snapshot_list list = {0};
    CLEANUP(str) char *own = warm_describe_snapshot(run, number);

    *left = false;
    if (list_snapshots(run, &list, err) == -1)
        return -1;
    for (size_t i = 0; i < list.len; i++) {
        const struct source_snapshot *snapshot = &list.ptr[i];

        if (!warm_is_ours(run, snapshot))
            continue;
        if (number > 0 && *found == NULL && str_eq(snapshot->description, own)) {
            *found = xstrdup(snapshot->id);
            continue;
        }
        CLEANUP(str) char *task = NULL;
        CLEANUP(error) struct error *busy = NULL;
        *left = true;
        if (ops_of(run)->snapshot_remove(run->view->source, vm_run_id(run), snapshot->id, &task,
                                         NULL, &busy) == -1 &&
            busy->code != ERROR_BUSY) {
            *err = steal(&busy);
            return error_wrap(err, "cannot remove snapshot \"%s\"", snapshot->id);
        }
    }
    if (number > 0 && list.len >= MAX_SNAPSHOTS) {
        error_set(err, ERROR_BUSY, "the machine has %zu snapshots, and may have %d", list.len,
                  MAX_SNAPSHOTS);
        return error_hint(err, "remove some of them");
    }
    return 0;
}

/* Asks for the snapshot of the open copy. */
static int ask_for_snapshot(struct vm_run *run, json_t *precopy, struct error **err)
{
    const json_t *step = vm_run_pipeline_step(run);
    CLEANUP(str) char *description = warm_describe_snapshot(run, warm_count(run));
    CLEANUP(str) char *task = NULL;
    /* The last one is of a machine that is off. */
    bool quiesce = !str_eq(step_annotation(step, ANNOTATION_QUIESCE), "false") &&
                   vm_run_step(run) < STEP_CREATE_FINAL_SNAPSHOT;

    if (ops_of(run)->snapshot_create(run->view->source, vm_run_id(run), SNAPSHOT_NAME, description,
                                     quiesce, &task, NULL, err) == -1)
        return error_wrap(err, "cannot make a snapshot");
    obj_put_str(precopy, "createTaskId", task);
    return 0;
}

int create_snapshot_run(struct vm_run *run, bool *done, struct error **err)
{
    json_t *precopy = warm_last(run);
    CLEANUP(str) char *found = NULL;
    bool is_first = precopy == NULL, left = false, tracked = true;
    size_t number = warm_count(run) + 1;

    if (warm_is_open(precopy)) { /* begun before a crash */
        *done = true;
        return 0;
    }
    if (need_source(run, err) == -1 || (is_first && ensure_tracked(run, &tracked, err) == -1))
        return -1;
    if (!tracked)
        return wait_on(run, POLL_MS, "having the source track changes");
    if (sort_out(run, number, &found, &left, err) == -1)
        return -1;
    if (left)
        return wait_on(run, POLL_MS, "removing snapshots that an earlier try left");
    step_set_reason(vm_run_pipeline_step(run), NULL);
    precopy = warm_begin(run);
    if (found != NULL) {
        obj_put_str(precopy, "snapshot", found);
    } else if (ask_for_snapshot(run, precopy, err) == -1) {
        json_array_remove(obj_arr(run->status, "warm.precopies"), number - 1);
        return -1;
    }
    *done = true;
    return 0;
}

/* True if quiet file systems were what could not be had. */
static bool is_about_quiescing(const struct error *failure)
{
    CLEANUP(str) char *text = error_format(failure);

    return strstr(text, "uiesce") != NULL || strstr(text, "ToolsUnavailable") != NULL;
}

/* The task failed: without quiescing if that was the reason, again if the source forgot the task,
 * and else that is that. */
static int snapshot_failed(struct vm_run *run, json_t *precopy, struct error *failure,
                           struct error **err)
{
    json_t *step = vm_run_pipeline_step(run);
    CLEANUP(str) char *text = error_format(failure);
    CLEANUP(str) char *found = NULL;
    bool left = false;

    warm_count_failure(run);
    if (failure->code == ERROR_NOT_FOUND) {
        error_free(failure);
        if (sort_out(run, warm_count(run), &found, &left, err) == -1)
            return -1;
        run->again_ms = POLL_MS;
        if (found != NULL)
            obj_put_str(precopy, "snapshot", found);
        return found != NULL ? 0 : ask_for_snapshot(run, precopy, err);
    }
    if (is_about_quiescing(failure) && !str_eq(step_annotation(step, ANNOTATION_QUIESCE), "false")) {
        error_free(failure);
        step_set_annotation(step, ANNOTATION_QUIESCE, "false");
        finding_add(run->status, "SnapshotNotQuiesced", CONDITION_WARN, "QuiesceFailed",
                    "look at VMware Tools in the guest",
                    "the guest's file systems could not be made quiet, snapshots are as after a "
                    "power failure: %s",
                    text);
        run->again_ms = POLL_MS;
        return ask_for_snapshot(run, precopy, err);
    }
    *err = failure;
    return error_wrap(err, "cannot make a snapshot");
}

static bool is_late(const json_t *precopy, const char *key, int64_t ms)
{
    CLEANUP(error) struct error *ignored = NULL;
    int64_t start = 0;

    return time_parse(obj_str(precopy, key, ""), &start, &ignored) == 0 &&
           time_now_ms() - start > ms;
}

int wait_for_snapshot_run(struct vm_run *run, bool *done, struct error **err)
{
    json_t *precopy = warm_last(run);
    const char *task = obj_str(precopy, "createTaskId", "");
    CLEANUP(str) char *snapshot = NULL;
    CLEANUP(str) char *found = NULL;
    enum source_task state = SOURCE_TASK_RUNNING;
    struct error *failure = NULL;
    bool left = false;

    if (obj_str(precopy, "snapshot", NULL) != NULL) {
        step_set_reason(vm_run_pipeline_step(run), NULL);
        *done = true;
        return 0;
    }
    if (need_source(run, err) == -1)
        return -1;
    if (ops_of(run)->task_get(run->view->source, task, &state, &snapshot, NULL, &failure) == -1) {
        if (!error_is_transient(failure))
            return snapshot_failed(run, precopy, failure, err);
        *err = failure;
        return -1;
    }
    if (state == SOURCE_TASK_DONE) {
        /* A request whose answer was lost may have made one, too: the lowest counts. */
        if (sort_out(run, warm_count(run), &found, &left, err) == -1)
            return -1;
        if (left)
            return wait_on(run, POLL_MS, "removing a snapshot that was made twice");
        obj_put_str(precopy, "snapshot", found != NULL ? found : snapshot);
        step_set_reason(vm_run_pipeline_step(run), NULL);
        *done = true;
        return 0;
    }
    if (is_late(precopy, "start", SNAPSHOT_TIMEOUT_MS))
        return error_set(err, ERROR_IO, "the source has not made the snapshot after %d minutes",
                         SNAPSHOT_TIMEOUT_MS / 60000);
    return wait_on(run, POLL_MS, "waiting for the snapshot");
}

int store_deltas_run(struct vm_run *run, bool *done, struct error **err)
{
    json_t *precopy = warm_last(run), *deltas = json_array();
    CLEANUP(source_snapshot_disk_list) struct source_snapshot_disk_list disks = {0};

    if (need_source(run, err) == -1 ||
        ops_of(run)->snapshot_disks(run->view->source, obj_str(precopy, "snapshot", ""), &disks,
                                    NULL, err) == -1) {
        json_decref(deltas);
        return error_wrap(err, "cannot read the disks of the snapshot");
    }
    for (size_t i = 0; i < disks.len; i++)
        if (disks.ptr[i].change_id != NULL)
            json_array_append_new(deltas, obj_pack("{s:s, s:s}", "disk", disks.ptr[i].name,
                                                   "deltaId", disks.ptr[i].change_id));
    obj_take(precopy, "deltas", deltas);
    *done = true;
    return 0;
}

/* ---- between copies ---------------------------------------------------------------------- */

int copying_paused_run(struct vm_run *run, bool *done, struct error **err)
{
    int64_t now = time_now_ms(), cutover = vm_run_cutover_ms(run), next = warm_next_ms(run);
    int64_t until = cutover != -1 && cutover < next ? cutover : next;
    char text[TIME_TEXT_SIZE];

    if (until <= now) {
        step_set_reason(vm_run_pipeline_step(run), NULL);
        *done = true;
        return 0;
    }
    CLEANUP(str)
    char *reason = xasprintf("waiting until %s for the %s", time_format(until, text),
                             until == cutover ? "cutover" : "next copy");
    int64_t left = until - now;
    return wait_on(run, left < PAUSED_POLL_MS ? left + 1 : PAUSED_POLL_MS, reason);
}

/* ---- removing ---------------------------------------------------------------------------- */

int remove_snapshot_run(struct vm_run *run, bool *done, struct error **err)
{
    json_t *precopy = warm_last(run);
    const char *snapshot = obj_str(precopy, "snapshot", NULL);
    CLEANUP(str) char *task = NULL;

    *done = true;
    if (snapshot == NULL || obj_str(precopy, "removeTaskId", NULL) != NULL)
        return 0;
    if (need_source(run, err) == -1 ||
        ops_of(run)->snapshot_remove(run->view->source, vm_run_id(run), snapshot, &task, NULL,
                                     err) == -1)
        return error_wrap(err, "cannot remove the snapshot");
    obj_put_str(precopy, "removeTaskId", task != NULL ? task : "");
    return 0;
}

/* True once the snapshot of the last copy is no more. */
static int is_removed(struct vm_run *run, bool *removed, struct error **err)
{
    CLEANUP(source_snapshot_list) struct source_snapshot_list list = {0};
    const char *snapshot = obj_str(warm_last(run), "snapshot", "");

    if (list_snapshots(run, &list, err) == -1)
        return -1;
    *removed = true;
    for (size_t i = 0; i < list.len; i++)
        if (str_eq(list.ptr[i].id, snapshot))
            *removed = false;
    return 0;
}

int wait_for_removal_run(struct vm_run *run, bool *done, struct error **err)
{
    json_t *precopy = warm_last(run), *step = vm_run_pipeline_step(run);
    const char *task = obj_str(precopy, "removeTaskId", "");
    int64_t limit_ms = run->view->settings.snapshot_removal_minutes * 60 * 1000;
    enum source_task state = SOURCE_TASK_DONE;
    CLEANUP(error) struct error *failure = NULL;

    if (need_source(run, err) == -1)
        return -1;
    if (task[0] != '\0' &&
        ops_of(run)->task_get(run->view->source, task, &state, NULL, NULL, &failure) == -1 &&
        failure->code != ERROR_NOT_FOUND) {
        *err = steal(&failure);
        return error_wrap(err, "cannot remove the snapshot");
    }
    if (state == SOURCE_TASK_DONE && is_removed(run, done, err) == -1)
        return -1;
    if (*done) {
        step_set_reason(step, NULL);
        return 0;
    }
    if (failure != NULL || state == SOURCE_TASK_DONE) /* forgotten, or done with nothing: again */
        obj_del(precopy, "removeTaskId");
    if (is_late(precopy, "end", limit_ms + run->view->settings.precopy_interval_ms)) {
        error_set(err, ERROR_IO, "the source has not removed the snapshot in time");
        return error_hint(err, "remove \"%s\" by hand", obj_str(precopy, "snapshot", ""));
    }
    if (obj_str(precopy, "removeTaskId", NULL) == NULL && remove_snapshot_run(run, done, err) == -1)
        return -1;
    *done = false;
    return wait_on(run, POLL_MS, "waiting until the source has removed the snapshot");
}

int wait_for_final_removal_run(struct vm_run *run, bool *done, struct error **err)
{
    CLEANUP(error) struct error *failure = NULL;

    if (wait_for_removal_run(run, done, &failure) == 0)
        return 0;
    if (error_is_transient(failure)) {
        *err = steal(&failure);
        return -1;
    }
    CLEANUP(str) char *text = error_format(failure);
    finding_add(run->status, "SnapshotNotRemoved", CONDITION_WARN, "RemovalFailed",
                "remove it by hand", "%s", text);
    *done = true;
    return 0;
}

int warm_snapshots_clean(struct vm_run *run, bool *clean, struct error **err)
{
    CLEANUP(error) struct error *failure = NULL;
    bool left = false;

    *clean = true;
    if (vm_run_itinerary(run) != ITINERARY_WARM || run->view->ops == NULL ||
        ops_of(run) == NULL || warm_count(run) == 0)
        return 0;
    if (sort_out(run, 0, NULL, &left, &failure) == -1) {
        if (failure->code == ERROR_NOT_FOUND) /* the machine itself has gone */
            return 0;
        *err = steal(&failure);
        return -1;
    }
    *clean = !left;
    return 0;
}
