/* What is done to machines: power, snapshots, settings, and what changed on their disks. */
#include "fake.h"

#include "base/error.h"
#include "base/mem.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Power. */

static const char *power_on(struct fake_vcenter *fake, struct fake_task *task)
{
    struct fake_machine *machine = fake_find_machine(fake, task->entity);

    if (machine == NULL)
        return "ManagedObjectNotFound";
    if (machine->on)
        return "InvalidPowerState";
    machine->on = true;
    machine->shutting_down = false;
    return NULL;
}

static const char *power_off(struct fake_vcenter *fake, struct fake_task *task)
{
    struct fake_machine *machine = fake_find_machine(fake, task->entity);

    if (machine == NULL)
        return "ManagedObjectNotFound";
    if (!machine->on)
        return "InvalidPowerState";
    machine->on = machine->shutting_down = false;
    return NULL;
}

static void shut_down(struct fake_vcenter *fake, struct fake_machine *machine,
                      struct http_response *response)
{
    if (!machine->on) {
        fake_fail(response, "InvalidPowerState", "the machine is off");
        return;
    }
    if (!fake->tools || !machine->has_tools) {
        fake_fail(response, "ToolsUnavailable", "VMware Tools are not running");
        return;
    }
    if (!fake_fault_take(fake, "tools-stuck", NULL)) {
        machine->shutting_down = true;
        machine->off_at = deadline_after(fake->shutdown_ms);
        if (fake->shutdown_ms == 0)
            machine->on = machine->shutting_down = false;
        fake_touch(fake, machine);
    }
    fake_answer(response, "ShutdownGuest", "");
}

/* Snapshots. */

/* 16 bytes that stand for one generation of a disk's change tracking, and a position in it. */
static char *make_change_id(const struct fake_machine *machine, const struct disk *disk,
                            uint32_t epoch)
{
    return xasprintf("52 %02x %02x %02x %02x %02x %02x %02x-%02x 4a 5b 6c 7d 8e 9f %02x/%u",
                     (unsigned)(uint8_t)machine->id[3], (unsigned)strlen(machine->id),
                     (unsigned)disk->key >> 8 & 255, (unsigned)disk->key & 255,
                     disk->resets & 255, disk->resets >> 8 & 255, 7u, 8u, 9u, epoch);
}

const char *fake_take_snapshot(struct fake_vcenter *fake, struct fake_task *task)
{
    struct fake_machine *machine = fake_find_machine(fake, task->entity);
    struct fake_snapshot snapshot = {0};

    if (machine == NULL)
        return "ManagedObjectNotFound";
    if (fake_fault_take(fake, "snapshot-refused", NULL))
        return "SnapshotFault";
    if (fake_fault_take(fake, "disk-full", NULL))
        return "NoDiskSpace";
    if (task->flag && machine->on && fake_fault_take(fake, "quiesce-failed", NULL))
        return "ApplicationQuiesceFault";
    snapshot.id = xasprintf("snapshot-%u", ++fake->snapshot_count);
    snapshot.name = xstrdup(task->argument);
    snapshot.description = xstrdup(task->description ? task->description : "");
    snapshot.quiesced = task->flag;
    snapshot.powered_on = machine->on;
    time_format(time_now_ms(), snapshot.created);
    for (size_t i = 0; i < machine->disks.len; i++) {
        struct disk *disk = &machine->disks.ptr[i];
        CLEANUP(error) struct error *err = NULL;

        fake_image_list_push(
            &snapshot.images,
            (struct fake_image){.key = disk->key,
                                .layers = disk->layers.len,
                                .epoch = disk->epoch,
                                .written = disk_copy_epochs(disk),
                                .capacity = disk->capacity,
                                .change_id = machine->ctk
                                                 ? make_change_id(machine, disk, disk->epoch)
                                                 : NULL});
        if (disk_add_layer(disk, &err) == -1)
            return "FileFault";
    }
    task->result_type = xstrdup("VirtualMachineSnapshot");
    task->result = xstrdup(snapshot.id);
    fake_snapshot_list_push(&machine->snapshots, snapshot);
    return NULL;
}

/* Brings what was written after a snapshot down into what it stood for. */
static const char *merge(struct fake_machine *machine, size_t at)
{
    struct fake_snapshot *snapshot = &machine->snapshots.ptr[at];

    for (size_t i = 0; i < snapshot->images.len; i++) {
        struct fake_image *image = &snapshot->images.ptr[i];
        struct disk *disk = fake_find_disk(machine, image->key);
        CLEANUP(error) struct error *err = NULL;

        if (disk == NULL || disk->layers.len == 0)
            continue;
        if (disk_merge_layer(disk, image->layers - 1, &err) == -1)
            return "FileFault";
        for (size_t k = at + 1; k < machine->snapshots.len; k++)
            for (size_t m = 0; m < machine->snapshots.ptr[k].images.len; m++)
                if (machine->snapshots.ptr[k].images.ptr[m].key == image->key)
                    machine->snapshots.ptr[k].images.ptr[m].layers--;
    }
    return NULL;
}

static const char *remove_snapshot(struct fake_vcenter *fake, struct fake_task *task)
{
    struct fake_machine *machine = NULL;
    struct fake_snapshot *snapshot = fake_find_snapshot(fake, task->argument, &machine);

    if (snapshot == NULL)
        return "ManagedObjectNotFound";
    if (fake_fault_take(fake, "removal-refused", NULL))
        return "GenericVmConfigFault";
    size_t at = (size_t)(snapshot - machine->snapshots.ptr);
    const char *fault = merge(machine, at);
    if (fault != NULL)
        return fault;
    for (size_t i = 0; i < snapshot->images.len; i++) {
        free(snapshot->images.ptr[i].written);
        free(snapshot->images.ptr[i].change_id);
    }
    fake_image_list_reset(&snapshot->images);
    free(snapshot->id);
    free(snapshot->name);
    free(snapshot->description);
    memmove(snapshot, snapshot + 1, (machine->snapshots.len - at - 1) * sizeof(*snapshot));
    machine->snapshots.len--;
    fake_touch(fake, machine);
    return NULL;
}

/* Settings. */

static const char *reconfigure(struct fake_vcenter *fake, struct fake_task *task)
{
    struct fake_machine *machine = fake_find_machine(fake, task->entity);

    if (machine == NULL)
        return "ManagedObjectNotFound";
    if (task->argument != NULL)
        machine->ctk = str_eq(task->argument, "true") || str_eq(task->argument, "1");
    return NULL;
}

/* Changes. */

/* The epoch in CHANGE_ID if it is of the disk's present tracking; "*" is 0, -1: of another one. */
static int64_t epoch_of(const struct fake_machine *machine, const struct disk *disk,
                        const char *change_id)
{
    const char *slash = strrchr(change_id, '/');

    if (str_eq(change_id, "*"))
        return 0;
    if (slash == NULL)
        return -1;
    int64_t epoch = strtoll(slash + 1, NULL, 10);
    CLEANUP(str) char *own = make_change_id(machine, disk, (uint32_t)epoch);
    return str_eq(own, change_id) ? epoch : -1;
}

/* A block with content that was there before anything was written counts as allocated. */
static bool is_allocated(struct disk *disk, size_t layers, size_t block)
{
    char data[DISK_BLOCK];
    uint64_t offset = (uint64_t)block * DISK_BLOCK;
    uint64_t left = disk->capacity - offset;
    size_t size = left < DISK_BLOCK ? (size_t)left : DISK_BLOCK;
    CLEANUP(error) struct error *err = NULL;

    if (disk_read_layers(disk, layers, data, size, offset, &err) == -1)
        return true;
    for (size_t i = 0; i < size; i++)
        if (data[i] != 0)
            return true;
    return false;
}

enum { AREAS_MAX = 200 /* in an answer; a real one has some 2,000 */ };

static void add_areas(struct disk *disk, const struct fake_image *image, int64_t since,
                      uint64_t start, struct buf *buf)
{
    size_t blocks = (size_t)((image->capacity + DISK_BLOCK - 1) / DISK_BLOCK), areas = 0;
    size_t block = (size_t)(start / DISK_BLOCK), first = 0;
    bool open = false;
    CLEANUP(buf) struct buf list = BUF_INIT(MAX_ANSWER);
    size_t from = block;

    for (; block <= blocks && areas < AREAS_MAX; block++) {
        bool changed = block < blocks &&
                       (image->written[block] > since ||
                        (since == 0 && is_allocated(disk, image->layers, block)));

        if (changed && !open) {
            first = block;
            open = true;
        } else if (!changed && open) {
            uint64_t at = (uint64_t)first * DISK_BLOCK, end = (uint64_t)block * DISK_BLOCK;

            if (end > image->capacity)
                end = image->capacity;
            buf_printf(&list,
                       "<changedArea><start>%" PRIu64 "</start><length>%" PRIu64
                       "</length></changedArea>",
                       at, end - at);
            open = false;
            areas++;
        }
    }
    uint64_t end = block > blocks ? image->capacity : (uint64_t)block * DISK_BLOCK;
    buf_printf(buf,
               "<returnval><startOffset>%" PRIu64 "</startOffset><length>%" PRIu64 "</length>",
               (uint64_t)from * DISK_BLOCK, end - (uint64_t)from * DISK_BLOCK);
    buf_add_span(buf, buf_span(&list));
    buf_add(buf, "</returnval>");
}

static void query_changes(struct fake_vcenter *fake, struct fake_machine *machine,
                          struct dom_node *call, struct http_response *response)
{
    CLEANUP(str) char *snapshot_id = fake_text_at(call, "snapshot");
    CLEANUP(str) char *key = fake_text_at(call, "deviceKey");
    CLEANUP(str) char *start = fake_text_at(call, "startOffset");
    CLEANUP(str) char *change_id = fake_text_at(call, "changeId");
    CLEANUP(buf) struct buf areas = BUF_INIT(MAX_ANSWER);
    struct fake_machine *owner = NULL;
    struct fake_snapshot *snapshot = fake_find_snapshot(fake, snapshot_id, &owner);
    struct disk *disk = fake_find_disk(machine, (int)strtol(key, NULL, 10));
    const struct fake_image *image = NULL;

    for (size_t i = 0; snapshot != NULL && disk != NULL && i < snapshot->images.len; i++)
        if (snapshot->images.ptr[i].key == disk->key)
            image = &snapshot->images.ptr[i];
    if (snapshot == NULL || owner != machine) {
        fake_fail(response, "ManagedObjectNotFound", "the snapshot has gone");
    } else if (image == NULL) {
        fake_fail(response, "InvalidArgument", "deviceKey");
    } else if (!machine->ctk || image->change_id == NULL ||
               fake_fault_take(fake, "changes-refused", NULL) ||
               epoch_of(machine, disk, change_id) == -1) {
        fake_fail(response, "FileFault", "Error caused by file: change tracking file");
    } else {
        add_areas(disk, image, epoch_of(machine, disk, change_id), strtoull(start, NULL, 10),
                  &areas);
        fake_answer(response, "QueryChangedDiskAreas", areas.ptr);
    }
}

/* Dispatch. */

static void answer_task(struct http_response *response, const char *method,
                        const struct fake_task *task)
{
    CLEANUP(str) char *text = xasprintf("<returnval type=\"Task\">%s</returnval>", task->id);

    fake_answer(response, method, text);
}

static void call_snapshot(struct fake_vcenter *fake, struct fake_machine *machine,
                          struct dom_node *call, struct http_response *response)
{
    if (fake_fault_take(fake, "no-permission", NULL)) {
        fake_fail(response, "NoPermission", "Permission to perform this operation was denied.");
        return;
    }
    struct fake_task *task =
        fake_task_start(fake, "vim.VirtualMachine.createSnapshot", machine->id, fake_take_snapshot);
    CLEANUP(str) char *quiesce = fake_text_at(call, "quiesce");

    task->argument = fake_text_at(call, "name");
    task->description = fake_text_at(call, "description");
    task->flag = str_eq(quiesce, "true") || str_eq(quiesce, "1");
    answer_task(response, "CreateSnapshot_Task", task);
}

static void call_remove_snapshot(struct fake_vcenter *fake, const char *id,
                                 struct http_response *response)
{
    struct fake_machine *machine = NULL;

    if (fake_find_snapshot(fake, id, &machine) == NULL) {
        fake_fail(response, "ManagedObjectNotFound", "the object has gone");
        return;
    }
    if (fake_is_busy(fake, machine->id)) {
        fake_fail(response, "TaskInProgress", "another task is already in progress");
        return;
    }
    struct fake_task *task =
        fake_task_start(fake, "vim.vm.Snapshot.remove", machine->id, remove_snapshot);
    task->argument = xstrdup(id);
    answer_task(response, "RemoveSnapshot_Task", task);
}

static bool needs_idle(const char *method)
{
    return str_eq(method, "CreateSnapshot_Task") || str_eq(method, "ReconfigVM_Task") ||
           str_eq(method, "PowerOnVM_Task") || str_eq(method, "PowerOffVM_Task");
}

bool fake_machine_call(struct fake_vcenter *fake, const char *method, const char *this_id,
                       struct dom_node *call, struct http_response *response)
{
    LOCK_SCOPE(&fake->lock);
    struct fake_machine *machine = fake_find_machine(fake, this_id);

    if (str_eq(method, "RemoveSnapshot_Task")) {
        call_remove_snapshot(fake, this_id, response);
        return true;
    }
    if (!needs_idle(method) && !str_eq(method, "ShutdownGuest") &&
        !str_eq(method, "QueryChangedDiskAreas"))
        return false;
    if (machine == NULL)
        fake_fail(response, "ManagedObjectNotFound", "the object has gone");
    else if (needs_idle(method) &&
             (fake_is_busy(fake, this_id) || fake_has_lease(fake, this_id)))
        fake_fail(response, "TaskInProgress", "another task is already in progress");
    else if (str_eq(method, "PowerOnVM_Task"))
        answer_task(response, method,
                    fake_task_start(fake, "vim.VirtualMachine.powerOn", this_id, power_on));
    else if (str_eq(method, "PowerOffVM_Task"))
        answer_task(response, method,
                    fake_task_start(fake, "vim.VirtualMachine.powerOff", this_id, power_off));
    else if (str_eq(method, "ShutdownGuest"))
        shut_down(fake, machine, response);
    else if (str_eq(method, "CreateSnapshot_Task"))
        call_snapshot(fake, machine, call, response);
    else if (str_eq(method, "QueryChangedDiskAreas"))
        query_changes(fake, machine, call, response);
    else {
        struct fake_task *task =
            fake_task_start(fake, "vim.VirtualMachine.reconfigure", this_id, reconfigure);
        struct dom_node *ctk = dom_find(call, "spec/changeTrackingEnabled");

        task->argument = ctk != NULL ? dom_text(ctk) : NULL;
        answer_task(response, method, task);
    }
    return true;
}
