/* Snapshots and changed blocks: what moving a running machine needs of a vSphere server. */
#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "source/vsphere/internal.h"
#include "source/vsphere/tree.h"
#include "source/vsphere/vim.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
    CHANGES_TIMEOUT_MS = 120000,   /* of one call for changed areas */
    MAX_AREAS = 4 * 1024 * 1024,   /* of a disk */
    MAX_SNAPSHOTS = 1000,
};

static struct vim *vim_of(struct source *source)
{
    return vsphere_of(source)->vim;
}

/* Change tracking. */

static int warm_track(struct source *source, const char *vm_id, bool *tracked, char **task,
                      struct cancel *cancel, struct error **err)
{
    CLEANUP(dom) struct dom *answer = NULL;
    struct dom_node *object = NULL;
    const struct vim_call call = {.method = "ReconfigVM_Task",
                                  .this_type = "VirtualMachine",
                                  .this_id = vm_id,
                                  .parameters =
                                      "<spec><changeTrackingEnabled>true"
                                      "</changeTrackingEnabled></spec>",
                                  .cancel = cancel};

    if (vim_read(vim_of(source), "VirtualMachine", vm_id, "config.changeTrackingEnabled", cancel,
                 &answer, &object, err) == -1)
        return -1;
    struct dom_node *value = vim_property(object, "config.changeTrackingEnabled");
    *tracked = value != NULL && vsphere_bool(value, "");
    return *tracked ? 0 : vim_task_start(vim_of(source), &call, task, err);
}

/* Snapshots. */

static int warm_create(struct source *source, const char *vm_id, const char *name,
                       const char *description, bool quiesce, char **task, struct cancel *cancel,
                       struct error **err)
{
    CLEANUP(buf) struct buf parameters = BUF_INIT(VIM_MAX_REQUEST);

    vim_add_text(&parameters, "name", name);
    vim_add_text(&parameters, "description", description);
    buf_printf(&parameters, "<memory>false</memory><quiesce>%s</quiesce>",
               quiesce ? "true" : "false");
    const struct vim_call call = {.method = "CreateSnapshot_Task",
                                  .this_type = "VirtualMachine",
                                  .this_id = vm_id,
                                  .parameters = parameters.ptr,
                                  .cancel = cancel};
    return vim_task_start(vim_of(source), &call, task, err);
}

static int warm_remove(struct source *source, const char *vm_id, const char *snapshot, char **task,
                       struct cancel *cancel, struct error **err)
{
    CLEANUP(error) struct error *problem = NULL;
    const struct vim_call call = {
        .method = "RemoveSnapshot_Task",
        .this_type = "VirtualMachineSnapshot",
        .this_id = snapshot,
        .parameters = "<removeChildren>false</removeChildren><consolidate>true</consolidate>",
        .cancel = cancel};

    *task = NULL;
    if (vim_task_start(vim_of(source), &call, task, &problem) == 0 ||
        problem->code == ERROR_NOT_FOUND)
        return 0;
    *err = steal(&problem);
    return -1;
}

static int warm_task(struct source *source, const char *task, enum source_task *state,
                     char **result, struct cancel *cancel, struct error **err)
{
    bool done = false;

    if (vim_task_look(vim_of(source), task, &done, result, cancel, err) == -1)
        return -1;
    *state = done ? SOURCE_TASK_DONE : SOURCE_TASK_RUNNING;
    return 0;
}

/* Snapshots are trees in lists; how deep is bounded by the parser. */
static int add_snapshots(struct dom_node *parent, const char *name,
                         struct source_snapshot_list *list, struct error **err)
{
    for (struct dom_node *at = dom_first(parent, name); at != NULL; at = dom_next(at, name)) {
        if (list->len == MAX_SNAPSHOTS)
            return error_set(err, ERROR_UNSUPPORTED, "more than %d snapshots", MAX_SNAPSHOTS);
        source_snapshot_list_push(
            list, (struct source_snapshot){.id = vsphere_text(at, "snapshot"),
                                           .name = vsphere_text(at, "name"),
                                           .description = vsphere_text(at, "description")});
        if (add_snapshots(at, "childSnapshotList", list, err) == -1)
            return -1;
    }
    return 0;
}

static int warm_list(struct source *source, const char *vm_id, struct source_snapshot_list *list,
                     struct cancel *cancel, struct error **err)
{
    CLEANUP(dom) struct dom *answer = NULL;
    struct dom_node *object = NULL;

    if (vim_read(vim_of(source), "VirtualMachine", vm_id, "snapshot", cancel, &answer, &object,
                 err) == -1)
        return -1;
    struct dom_node *value = vim_property(object, "snapshot");
    return value == NULL ? 0 : add_snapshots(value, "rootSnapshotList", list, err);
}

static int warm_disks(struct source *source, const char *snapshot,
                      struct source_snapshot_disk_list *list, struct cancel *cancel,
                      struct error **err)
{
    CLEANUP(dom) struct dom *answer = NULL;
    struct dom_node *object = NULL;

    if (vim_read(vim_of(source), "VirtualMachineSnapshot", snapshot, "config.hardware.device",
                 cancel, &answer, &object, err) == -1)
        return -1;
    struct dom_node *devices = vim_property(object, "config.hardware.device");
    for (struct dom_node *at = devices ? dom_first(devices, NULL) : NULL; at != NULL;
         at = dom_next(at, NULL)) {
        CLEANUP(str) char *type = vsphere_type_of(at);
        struct dom_node *backing = dom_first(at, "backing");

        if (!str_eq(type, "VirtualDisk") || backing == NULL)
            continue;
        CLEANUP(str) char *file = vsphere_text(backing, "fileName");
        CLEANUP(str) char *change_id = vsphere_text(backing, "changeId");
        int64_t capacity =
            vsphere_int(at, "capacityInBytes", vsphere_int(at, "capacityInKB", 0) * 1024);
        source_snapshot_disk_list_push(
            list, (struct source_snapshot_disk){
                      .id = vsphere_text(at, "key"),
                      .name = vsphere_base_file(file, dom_first(backing, "parent") != NULL),
                      .capacity_bytes = capacity > 0 ? (uint64_t)capacity : 0,
                      .change_id = *change_id != '\0' ? steal(&change_id) : NULL});
    }
    return 0;
}

/* Changed areas. */

/* Appends the areas of one answer, which must lie in order between FROM and CAPACITY. */
static int add_areas(struct dom_node *info, uint64_t from, uint64_t capacity,
                     struct extent_list *changes, struct error **err)
{
    for (struct dom_node *at = dom_first(info, "changedArea"); at != NULL;
         at = dom_next(at, "changedArea")) {
        int64_t start = vsphere_int(at, "start", -1), length = vsphere_int(at, "length", -1);

        if (start < 0 || length < 0 || (uint64_t)start < from || (uint64_t)start > capacity ||
            (uint64_t)length > capacity - (uint64_t)start)
            return error_set(err, ERROR_CORRUPT,
                             "the server names a changed area at %" PRId64 " of %" PRId64
                             " bytes, on a disk of %" PRIu64,
                             start, length, capacity);
        if (changes->len >= MAX_AREAS)
            return error_set(err, ERROR_UNSUPPORTED, "more than %d changed areas", MAX_AREAS);
        extent_list_add(changes, (uint64_t)start, (uint64_t)length, EXTENT_DATA);
        from = (uint64_t)start + (uint64_t)length;
    }
    return 0;
}

/* One answer, from *OFFSET on, which goes on to where the next one begins. */
static int ask_changes(struct source *source, const char *vm_id, const char *snapshot,
                       const char *disk_id, const char *since, uint64_t capacity, uint64_t *offset,
                       struct extent_list *changes, struct cancel *cancel, struct error **err)
{
    CLEANUP(buf) struct buf parameters = BUF_INIT(VIM_MAX_REQUEST);
    CLEANUP(dom) struct dom *answer = NULL;
    struct dom_node *info = NULL;

    vim_add_ref(&parameters, "snapshot", "VirtualMachineSnapshot", snapshot);
    vim_add_text(&parameters, "deviceKey", disk_id);
    buf_printf(&parameters, "<startOffset>%" PRIu64 "</startOffset>", *offset);
    vim_add_text(&parameters, "changeId", since);
    const struct vim_call call = {.method = "QueryChangedDiskAreas",
                                  .this_type = "VirtualMachine",
                                  .this_id = vm_id,
                                  .parameters = parameters.ptr,
                                  .timeout_ms = CHANGES_TIMEOUT_MS,
                                  .cancel = cancel};
    if (vim_send(vim_of(source), &call, &answer, &info, err) == -1)
        return -1;
    int64_t start = info ? vsphere_int(info, "startOffset", -1) : -1;
    int64_t length = info ? vsphere_int(info, "length", -1) : -1;
    if (start < 0 || length <= 0 || (uint64_t)start > *offset ||
        (uint64_t)start + (uint64_t)length <= *offset)
        return error_set(err, ERROR_CORRUPT, "the server's list of changes does not go on");
    if (add_areas(info, extent_list_end(changes, 0), capacity, changes, err) == -1)
        return -1;
    *offset = (uint64_t)start + (uint64_t)length;
    return 0;
}

/* The generation of a change id: what stands before its slash. */
static struct span generation_of(const char *change_id)
{
    const char *slash = strrchr(change_id, '/');

    return (struct span){change_id, slash ? (size_t)(slash - change_id) : strlen(change_id)};
}

/* A history that was begun anew shows by another generation, or by the server's refusal. */
static bool is_history_lost(const struct error *problem)
{
    const struct error *at = problem;

    while (at->cause != NULL)
        at = at->cause;
    return str_starts_with(at->msg, "FileFault") || str_starts_with(at->msg, "InvalidArgument");
}

static int check_generation(struct source *source, const char *snapshot, const char *disk_id,
                            const char *since, struct cancel *cancel, struct error **err)
{
    CLEANUP(source_snapshot_disk_list) struct source_snapshot_disk_list disks = {0};

    if (warm_disks(source, snapshot, &disks, cancel, err) == -1)
        return -1;
    for (size_t i = 0; i < disks.len; i++) {
        const char *now = disks.ptr[i].change_id;

        if (str_eq(disks.ptr[i].id, disk_id) && now != NULL &&
            span_eq(generation_of(now), generation_of(since)))
            return 0;
    }
    return error_set(err, ERROR_EXPIRED, "the server has begun its record of changes anew");
}

static int warm_changes(struct source *source, const char *vm_id, const char *snapshot,
                        const char *disk_id, const char *since, uint64_t capacity,
                        struct extent_list *changes, struct cancel *cancel, struct error **err)
{
    uint64_t offset = 0;
    CLEANUP(error) struct error *problem = NULL;

    if (check_generation(source, snapshot, disk_id, since, cancel, err) == -1)
        return -1;
    while (offset < capacity)
        if (ask_changes(source, vm_id, snapshot, disk_id, since, capacity, &offset, changes,
                        cancel, &problem) == -1) {
            if (is_history_lost(problem))
                return error_set(err, ERROR_EXPIRED,
                                 "the server does not know what changed since \"%.80s\"", since);
            *err = steal(&problem);
            return -1;
        }
    return 0;
}

const struct source_warm_ops vsphere_warm_ops = {
    .track = warm_track,
    .snapshot_create = warm_create,
    .snapshot_remove = warm_remove,
    .task_get = warm_task,
    .snapshot_list = warm_list,
    .snapshot_disks = warm_disks,
    .disk_changes = warm_changes,
};
