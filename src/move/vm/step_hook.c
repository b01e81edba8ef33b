/* PreHook and PostHook: the hooks of a step run one after the other, in the order of the plan.
 *
 * Each has a task in the pipeline's step, whose annotations keep the job, the exit code and the last
 * lines of its output.  A hook with spec.aap runs as a job template of an automation controller. */
#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "data/obj.h"
#include "hook/job.h"
#include "kube/kinds.h"
#include "kube/meta.h"
#include "move/vm/hook_aap_step.h"
#include "move/vm/vm_run.h"
#include "move/vm/vm_status.h"

#include <inttypes.h>
#include <stdlib.h>

enum { WAITING_POLL_MS = 2000, RUNNING_POLL_MS = 5000 };

/* The task of a hook, made if it is not there. */
static json_t *hook_task(json_t *step, const json_t *reference)
{
    CLEANUP(str) char *key = reference_key(reference);
    json_t *task = step_task(step, key);

    if (task == NULL) {
        task = step_new(key, NULL, 1);
        obj_take(step, "tasks[]", json_incref(task));
        json_decref(task);
    }
    return task;
}

static void put_time(json_t *task, const char *key, const char *when)
{
    if (when != NULL)
        obj_put_str(task, key, when);
}

static void record(json_t *task, const struct hook_outcome *outcome)
{
    step_set_annotation(task, "job", outcome->job);
    if (outcome->has_exit_code) {
        CLEANUP(str) char *code = xasprintf("%" PRId64, outcome->exit_code);
        step_set_annotation(task, "exitCode", code);
    }
    if (outcome->output != NULL)
        step_set_annotation(task, "output", outcome->output);
    step_begin(task);
    put_time(task, "started", outcome->started);
    step_set_reason(task, outcome->state == HOOK_WAITING ? outcome->message : NULL);
}

static int run_hook(struct vm_run *run, const char *step_name, const json_t *reference,
                    json_t *task, bool *done, struct error **err)
{
    json_auto_t *hook = NULL;
    CLEANUP(hook_outcome) struct hook_outcome outcome = {0};

    if (reference_get(run->view->room, &KIND_HOOK, reference, &hook, err) == -1)
        return -1;
    if (hook == NULL) {
        error_set(err, ERROR_NOT_FOUND, "there is no hook \"%s\"", obj_str(task, "name", ""));
        return error_hint(err, "create it, or remove it from the plan");
    }
    const struct hook_call call = {
        .plan = run->view->plan,
        .migration = run->migration,
        .hook = hook,
        .step = step_name,
        .vm_id = vm_run_id(run),
        .vm_name = obj_str(run->status, "name", ""),
        .provider_type = run->view->provider_type,
        .workload = run->vm,
        .service_account = run->view->settings.migration_service_account,
        .resources = run->view->settings.hook_resources,
    };
    int result = obj_obj(hook, "spec.aap") != NULL
                     ? hook_aap_step(run, &call, task, &outcome, err)
                     : hook_job_run(run->view->room->client, &call, &outcome, err);
    if (result == -1)
        return -1;
    record(task, &outcome);
    switch (outcome.state) {
    case HOOK_WAITING:
        run->again_ms = WAITING_POLL_MS;
        return 0;
    case HOOK_RUNNING:
        run->again_ms = RUNNING_POLL_MS;
        return 0;
    case HOOK_SUCCEEDED:
        step_finish(task, NULL);
        put_time(task, "completed", outcome.completed);
        *done = true;
        return 0;
    case HOOK_FAILED:
        break;
    }
    error_add_reason(task, step_name, outcome.message);
    obj_put_str(task, "phase", "Completed");
    timed_complete(task);
    put_time(task, "completed", outcome.completed);
    error_set(err, ERROR_INVALID, "%s", outcome.message);
    return outcome.hint != NULL ? error_hint(err, "%s", outcome.hint) : -1;
}

static int run_step(struct vm_run *run, const char *step_name, bool *done, struct error **err)
{
    const json_t *hooks = obj_arr(run->status, "hooks");
    json_t *step = vm_status_step(run->status, step_name);

    for (size_t i = 0; i < json_array_size(hooks); i++) {
        const json_t *use = json_array_get(hooks, i);
        bool ended = false;
        if (!str_eq(obj_str(use, "step", ""), step_name))
            continue;
        json_t *task = hook_task(step, obj_at(use, "hook"));
        if (step_is_finished(task))
            continue;
        if (run_hook(run, step_name, obj_at(use, "hook"), task, &ended, err) == -1)
            return -1;
        if (!ended)
            return 0;
    }
    *done = true;
    return 0;
}

int pre_hook_run(struct vm_run *run, bool *done, struct error **err)
{
    return run_step(run, PIPELINE_PRE_HOOK, done, err);
}

int post_hook_run(struct vm_run *run, bool *done, struct error **err)
{
    return run_step(run, PIPELINE_POST_HOOK, done, err);
}
