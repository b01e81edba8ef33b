/* Tasks that take time, and the clock that lets time pass for them and for guests. */
#include "fake.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

struct fake_task *fake_find_task(struct fake_vcenter *fake, const char *id)
{
    for (size_t i = 0; i < fake->tasks.len; i++)
        if (str_eq(fake->tasks.ptr[i]->id, id))
            return fake->tasks.ptr[i];
    return NULL;
}

void fake_task_free(struct fake_task *task)
{
    free(task->id);
    free(task->name);
    free(task->entity);
    free(task->fault);
    free(task->description);
    free(task->result);
    free(task->result_type);
    free(task->files);
    free(task->argument);
    free(task);
}

static bool is_running(const struct fake_task *task)
{
    return str_eq(task->state, "running");
}

bool fake_is_busy(struct fake_vcenter *fake, const char *entity)
{
    for (size_t i = 0; i < fake->tasks.len; i++)
        if (is_running(fake->tasks.ptr[i]) && str_eq(fake->tasks.ptr[i]->entity, entity))
            return true;
    return false;
}

static void touch(struct fake_vcenter *fake, struct fake_task *task)
{
    struct fake_machine *machine = fake_find_machine(fake, task->entity);

    task->changed = ++fake->version;
    if (machine != NULL)
        fake_touch(fake, machine);
    pthread_cond_broadcast(&fake->changed);
}

struct fake_task *fake_task_start(struct fake_vcenter *fake, const char *name, const char *entity,
                                  const char *(*run)(struct fake_vcenter *, struct fake_task *))
{
    struct fake_task *task = xcalloc(1, sizeof(*task));

    task->id = xasprintf("task-%u", ++fake->task_count);
    task->name = xstrdup(name);
    task->entity = xstrdup(entity);
    task->run = run;
    task->state = "running";
    task->due = deadline_after(fake->task_ms);
    task->fault = steal(&fake->task_fault);
    fake_task_list_push(&fake->tasks, task);
    touch(fake, task);
    return task;
}

/* A fault as the value of a property: {fault, localizedMessage}. */
static void add_fault(struct value *info, const struct fake_task *task)
{
    struct value *error = value_add(info, "error", "LocalizedMethodFault");
    struct value *fault = value_add(error, "fault", NULL);

    fault->type = task->fault;
    value_add_string(error, "localizedMessage", "not now");
}

/* What a search on a datastore found. */
static void add_files(struct value *info, const struct fake_task *task)
{
    struct value *result = value_add(info, "result", "HostDatastoreBrowserSearchResults");
    struct span rest = span_of(task->files), line = {0}, name = {0};

    value_add_ref(result, "datastore", "Datastore", task->entity);
    value_add_string(result, "folderPath", task->argument);
    while (span_split(&rest, '\n', &line)) {
        uint64_t size = 0;

        if (!span_split(&line, ' ', &name) || !span_u64(line, &size))
            continue;
        CLEANUP(str) char *path = span_dup(name);
        struct value *file = value_add(result, "file", "VmDiskFileInfo");
        value_add_string(file, "path", path);
        value_add_long(file, "fileSize", (int64_t)size);
    }
}

struct value *fake_task_value(struct fake_task *task)
{
    struct value *root = value_new("task", NULL), *info = value_add(root, "info", "TaskInfo");

    value_add_string(info, "key", task->id);
    value_add_ref(info, "task", "Task", task->id);
    value_add_text(info, "name", NULL, task->name);
    value_add_string(info, "descriptionId", task->name);
    value_add_ref(info, "entity", task->files != NULL ? "Datastore" : "VirtualMachine",
                  task->entity);
    value_add_text(info, "state", "TaskInfoState", task->state);
    value_add_bool(info, "cancelled", false);
    value_add_bool(info, "cancelable", false);
    if (task->fault != NULL && str_eq(task->state, "error"))
        add_fault(info, task);
    if (task->files != NULL && str_eq(task->state, "success"))
        add_files(info, task);
    if (task->result != NULL)
        value_add_ref(info, "result", task->result_type, task->result);
    if (is_running(task))
        value_add_int(info, "progress", 50);
    return root;
}

static void finish_task(struct fake_vcenter *fake, struct fake_task *task)
{
    if (task->fault == NULL && task->run != NULL) {
        const char *fault = task->run(fake, task);

        task->fault = fault != NULL ? xstrdup(fault) : NULL;
    }
    task->state = task->fault != NULL ? "error" : "success";
    touch(fake, task);
}

static void tick(struct fake_vcenter *fake)
{
    bool removal_stuck = fake_fault_take(fake, "removal-stuck", NULL);

    for (size_t i = 0; i < fake->tasks.len; i++) {
        struct fake_task *task = fake->tasks.ptr[i];

        if (is_running(task) && deadline_is_over(task->due) && !task->stuck &&
            !(removal_stuck && str_eq(task->name, "vim.vm.Snapshot.remove")))
            finish_task(fake, task);
    }
    fake_leases_tick(fake);
    for (size_t i = 0; i < fake->machines.len; i++) {
        struct fake_machine *machine = &fake->machines.ptr[i];

        if (machine->shutting_down && deadline_is_over(machine->off_at)) {
            machine->shutting_down = machine->on = false;
            fake_touch(fake, machine);
        }
        if (machine->on && machine->writer_rate > 0)
            fake_scribble_some(machine, TICK_MS);
    }
}

void *fake_clock(void *arg)
{
    struct fake_vcenter *fake = arg;

    for (;;) {
        struct deadline next = deadline_after(TICK_MS);
        LOCK_SCOPE(&fake->lock);

        while (!fake->stopping && !deadline_is_over(next))
            cond_wait(&fake->changed, &fake->lock, next);
        if (fake->stopping)
            return NULL;
        tick(fake);
    }
}
