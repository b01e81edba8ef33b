/* The last step of every way, good or bad: nothing stays that is not asked for, and after a failure
 * or a cancel the source is as it was. */
#include "base/error.h"
#include "base/text.h"
#include "data/obj.h"
#include "hook/job.h"
#include "move/vm/hook_aap_step.h"
#include "move/vm/leftovers.h"
#include "move/vm/vm_run.h"
#include "move/vm/vm_status.h"

enum { POLL_MS = 500 };

/* A plan that asks for it wins over its VMs. */
static bool deletes_on_failure(const struct vm_run *run)
{
    return obj_bool(run->view->plan, "spec.deleteVmOnFailMigration", true) ||
           obj_bool(run->status, "deleteVmOnFailMigration", false);
}

/* The target is done: what fails afterwards (a PostHook) takes nothing away from it. */
static bool has_good_target(const struct vm_run *run)
{
    const json_t *step = vm_status_step(run->status, PIPELINE_CREATE_VM);

    return step != NULL && step_is_finished(step) && obj_obj(step, "error") == NULL;
}

/* Was the cancel anybody's wish?  A source that lost the VM, or a map that was replaced, is not. */
static bool is_cancel_asked(const struct vm_run *run)
{
    const json_t *list = obj_arr(run->status, "conditions");

    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *condition = json_array_get(list, i);
        const char *reason = obj_str(condition, "reason", "");
        if (str_eq(obj_str(condition, "type", ""), "Canceled"))
            return !str_eq(reason, "NotFound") && !str_eq(reason, "Modified");
    }
    return false;
}

/* A target that is done may be the only machine left: it goes only if somebody asked for that. */
static bool is_undone(const struct vm_run *run)
{
    if (has_good_target(run))
        return is_cancel_asked(run);
    return vm_status_is_canceled(run->status) || obj_obj(run->status, "error") != NULL;
}

static int restore_power(struct vm_run *run, struct error **err)
{
    const struct plan_view *view = run->view;

    if (view->ops == NULL || !view->ops->can_power ||
        !str_eq(obj_str(run->status, "restorePowerState", ""), "On"))
        return 0;
    if (view->source == NULL)
        return error_set(err, ERROR_UNAVAILABLE, "the source provider is not open");
    if (view->ops->power_set(view->source, vm_run_id(run), SOURCE_POWER_ON, false, NULL, err) ==
        -1)
        return error_wrap(err, "cannot switch the source machine on again");
    return 0;
}

int clean_up_run(struct vm_run *run, bool *done, struct error **err)
{
    bool canceled = vm_status_is_canceled(run->status);
    bool undo = is_undone(run);
    enum leftovers_scope scope =
        undo && (canceled || deletes_on_failure(run)) ? LEFTOVERS_TARGET : LEFTOVERS_HELPERS;
    bool clean = false;

    if (leftovers_remove(run, scope, &clean, err) == -1)
        return -1;
    /* A canceled hook must not go on. */
    if (canceled && (hook_aap_stop(run, err) == -1 ||
                     hook_job_clean(run->view->room->client, run->view->plan, vm_run_id(run),
                                    err) == -1))
        return -1;
    if (undo && restore_power(run, err) == -1)
        return -1;
    run->again_ms = POLL_MS;
    *done = clean;
    return 0;
}
