#include "move/vm/vm_status.h"

#include "base/text.h"
#include "base/time.h"
#include "data/obj.h"
#include "kube/conditions.h"

#include <string.h>

json_t *vm_status_find(const json_t *vms, const char *id)
{
    for (size_t i = 0; i < json_array_size(vms); i++) {
        json_t *vm = json_array_get(vms, i);
        if (str_eq(obj_str(vm, "id", NULL), id))
            return vm;
    }
    return NULL;
}

bool vm_status_is_started(const json_t *vm)
{
    return obj_str(vm, "started", NULL) != NULL;
}

bool vm_status_is_completed(const json_t *vm)
{
    return obj_str(vm, "completed", NULL) != NULL;
}

bool vm_status_is_running(const json_t *vm)
{
    return vm_status_is_started(vm) && !vm_status_is_completed(vm);
}

bool vm_status_is_succeeded(const json_t *vm)
{
    return vm != NULL && conditions_is_true(vm, "Succeeded");
}

bool vm_status_is_failed(const json_t *vm)
{
    return conditions_is_true(vm, "Failed");
}

bool vm_status_is_canceled(const json_t *vm)
{
    return conditions_is_true(vm, "Canceled");
}

static void put_now(json_t *item, const char *key)
{
    char text[TIME_TEXT_SIZE];

    obj_put_str(item, key, time_format(time_now_ms(), text));
}

void timed_start(json_t *item)
{
    put_now(item, "started");
    obj_del(item, "completed");
}

void timed_complete(json_t *item)
{
    if (obj_str(item, "started", NULL) == NULL)
        put_now(item, "started");
    put_now(item, "completed");
}

static json_t *find_named(const json_t *list, const char *name)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        json_t *item = json_array_get(list, i);
        if (str_eq(obj_str(item, "name", NULL), name))
            return item;
    }
    return NULL;
}

json_t *vm_status_step(const json_t *vm, const char *name)
{
    return find_named(obj_arr(vm, "pipeline"), name);
}

json_t *step_task(const json_t *step, const char *name)
{
    return find_named(obj_arr(step, "tasks"), name);
}

json_t *step_new(const char *name, const char *description, int64_t total)
{
    json_t *item = obj_pack("{s:s, s:s, s:{s:I, s:i}}", "name", name, "phase", "Pending",
                            "progress", "total", (json_int_t)total, "completed", 0);

    obj_put_str(item, "description", description);
    return item;
}

void step_begin(json_t *item)
{
    if (!str_eq(obj_str(item, "phase", "Pending"), "Pending"))
        return;
    obj_put_str(item, "phase", "Running");
    timed_start(item);
}

void step_finish(json_t *item, const char *reason)
{
    if (step_is_finished(item))
        return;
    obj_put_str(item, "phase", "Completed");
    step_set_reason(item, reason);
    obj_put_int(item, "progress.completed", obj_int(item, "progress.total", 0));
    timed_complete(item);
}

bool vm_status_has_target(const json_t *vm)
{
    const json_t *step = vm_status_step(vm, PIPELINE_CREATE_VM);

    return step != NULL && step_is_finished(step) && obj_obj(step, "error") == NULL;
}

bool step_is_finished(const json_t *item)
{
    return str_eq(obj_str(item, "phase", NULL), "Completed");
}

void step_set_reason(json_t *item, const char *reason)
{
    if (reason == NULL)
        obj_del(item, "reason");
    else
        obj_put_str(item, "reason", reason);
}

void step_set_annotation(json_t *item, const char *key, const char *value)
{
    json_t *annotations = obj_obj(item, "annotations");

    if (annotations == NULL) {
        annotations = json_object();
        obj_take(item, "annotations", annotations);
    }
    if (value == NULL)
        json_object_del(annotations, key);
    else
        json_object_set_new(annotations, key, json_string(value));
}

const char *step_annotation(const json_t *item, const char *key)
{
    return obj_map_str(obj_obj(item, "annotations"), key);
}

void step_set_progress(json_t *item, int64_t completed)
{
    int64_t total = obj_int(item, "progress.total", 0);

    obj_put_int(item, "progress.completed", completed > total ? total : completed);
}

void step_sum_tasks(json_t *step)
{
    const json_t *tasks = obj_arr(step, "tasks");
    int64_t sum = 0;

    for (size_t i = 0; i < json_array_size(tasks); i++)
        sum += obj_int(json_array_get(tasks, i), "progress.completed", 0);
    step_set_progress(step, sum);
}

void error_add_reason(json_t *item, const char *phase, const char *reason)
{
    const json_t *reasons = obj_arr(item, "error.reasons");

    for (size_t i = 0; i < json_array_size(reasons); i++)
        if (str_eq(json_string_value(json_array_get(reasons, i)), reason))
            return;
    if (reasons == NULL)
        obj_put_str(item, "error.phase", phase);
    obj_put_str(item, "error.reasons[]", reason);
}

void vm_status_set_condition(json_t *vm, const char *type, const char *reason,
                             const char *message)
{
    conditions_set(vm, &(struct condition){.type = type,
                                           .category = CONDITION_ADVISORY,
                                           .reason = reason,
                                           .message = message,
                                           .durable = true});
}

const char *vm_status_condition_time(const json_t *vm, const char *type)
{
    return obj_str(conditions_find(vm, type), "lastTransitionTime", NULL);
}
