#include "move/vm/pipeline.h"

#include "base/mem.h"
#include "base/text.h"
#include "data/obj.h"
#include "kube/conditions.h"
#include "move/vm/vm_status.h"

static bool has_hook(const json_t *ref, const char *step)
{
    const json_t *hooks = obj_arr(ref, "hooks");

    for (size_t i = 0; i < json_array_size(hooks); i++)
        if (str_eq(obj_str(json_array_get(hooks, i), "step", ""), step))
            return true;
    return false;
}

static int64_t units_of(uint64_t bytes)
{
    return (int64_t)(bytes / BYTES_PER_UNIT + (bytes % BYTES_PER_UNIT != 0));
}

static json_t *transfer_step(const char *name, const char *description,
                             const struct machine *machine)
{
    json_t *step = step_new(name, description, 0);
    json_t *tasks = json_array();
    int64_t sum = 0;

    step_set_annotation(step, "unit", "MB");
    for (size_t i = 0; machine != NULL && i < machine->disks.len; i++) {
        const struct machine_disk *disk = &machine->disks.ptr[i];
        json_t *task = step_new(disk->name, NULL, units_of(disk->capacity_bytes));
        step_set_annotation(task, "unit", "MB");
        json_array_append_new(tasks, task);
        sum += units_of(disk->capacity_bytes);
    }
    obj_put_int(step, "progress.total", sum);
    obj_take(step, "tasks", tasks);
    return step;
}

static json_t *make_pipeline(const struct plan_view *view, const json_t *ref,
                             const struct machine *machine)
{
    json_t *pipeline = json_array();

    json_array_append_new(pipeline,
                          step_new(PIPELINE_INITIALIZE, "Initialize the migration.", 1));
    if (has_hook(ref, PIPELINE_PRE_HOOK))
        json_array_append_new(
            pipeline, step_new(PIPELINE_PRE_HOOK, "Run the hooks before the migration.", 1));
    json_array_append_new(pipeline,
                          transfer_step(PIPELINE_DISK_TRANSFER, "Copy the disks.", machine));
    if (plan_view_is_warm(view))
        json_array_append_new(
            pipeline, transfer_step(PIPELINE_CUTOVER, "Stop the machine and copy the rest.", machine));
    if (plan_view_converts(view))
        json_array_append_new(pipeline,
                              step_new(PIPELINE_CONVERSION, "Convert the guest for KVM.", 1));
    json_array_append_new(pipeline, step_new(PIPELINE_CREATE_VM, "Create the machine.", 1));
    if (has_hook(ref, PIPELINE_POST_HOOK))
        json_array_append_new(
            pipeline, step_new(PIPELINE_POST_HOOK, "Run the hooks after the migration.", 1));
    return pipeline;
}

json_t *pipeline_new_vm(const struct plan_view *view, const json_t *ref, const json_t *vm,
                        const struct machine *machine)
{
    json_t *entry = obj_copy(ref);

    obj_put_str(entry, "id", obj_str(vm, "id", ""));
    obj_put_str(entry, "name", obj_str(vm, "name", ""));
    obj_put_str(entry, "phase", "Started");
    obj_take(entry, "pipeline", make_pipeline(view, ref, machine));
    return entry;
}

bool pipeline_resume_post_hook(json_t *old)
{
    json_t *post = vm_status_step(old, PIPELINE_POST_HOOK);
    bool failed = vm_status_is_failed(old) &&
                  str_eq(obj_str(old, "error.phase", ""), PIPELINE_POST_HOOK);

    if (post == NULL || !vm_status_has_target(old) || (!failed && !vm_status_is_canceled(old)))
        return false;
    obj_del(post, "error");
    obj_del(post, "reason");
    obj_del(post, "started");
    obj_del(post, "completed");
    obj_del(post, "tasks");
    obj_put_str(post, "phase", "Pending");
    step_set_progress(post, 0);
    obj_del(old, "error");
    obj_del(old, "started");
    obj_del(old, "completed");
    obj_del(old, "conditions");
    obj_put_str(old, "phase", "PostHook");
    return true;
}
