/* The last step of every way, good or bad: nothing stays that is not asked for, and after a failure
 * or a cancel the source is as it was. */
#include "base/error.h"
#include "base/text.h"
#include "data/obj.h"
#include "hook/job.h"
#include "inventory/inventory.h"
#include "kube/kinds.h"
#include "move/vm/hook_aap_step.h"
#include "move/vm/leftovers.h"
#include "move/vm/step_warm.h"
#include "move/vm/target.h"
#include "move/vm/vm_run.h"
#include "move/vm/vm_status.h"

enum { POLL_MS = 500 };

/* A plan that asks for it wins over its VMs. */
static bool deletes_on_failure(const struct vm_run *run)
{
    return obj_bool(run->view->plan, "spec.deleteVmOnFailMigration", true) ||
           obj_bool(run->status, "deleteVmOnFailMigration", false);
}

/* A target that is done may be the only machine that people use: neither a failure nor a cancel
 * takes it away, and its source stays as it is. */
static int find_undone(struct vm_run *run, bool *undo, struct error **err)
{
    json_auto_t *kept = NULL;
    const char *why = NULL;

    if (target_find_kept(run, &kept, &why, err) == -1)
        return -1;
    *undo = kept == NULL && !vm_status_has_target(run->status) &&
            (vm_status_is_canceled(run->status) || obj_obj(run->status, "error") != NULL);
    return 0;
}

/* Once the source does not have the machine any more, trying again is of no use. */
static bool is_lost(const struct vm_run *run, const struct error *failure)
{
    const struct plan_view *view = run->view;

    return failure->code == ERROR_NOT_FOUND ||
           (run->vm == NULL && inventory_is_complete(view->room->inventory, view->provider_ns,
                                                     view->provider_name));
}

static int restore_power(struct vm_run *run, struct error **err)
{
    const struct plan_view *view = run->view;
    CLEANUP(error) struct error *failure = NULL;

    if (view->ops == NULL || !view->ops->can_power ||
        !str_eq(obj_str(run->status, "restorePowerState", ""), "On"))
        return 0;
    if (view->source == NULL)
        return error_set(err, ERROR_UNAVAILABLE,
                         "the source provider is not open, to switch the source machine on again");
    if (view->ops->power_set(view->source, vm_run_id(run), SOURCE_POWER_ON, false, NULL,
                             &failure) == 0)
        return 0;
    if (!is_lost(run, failure)) {
        *err = steal(&failure);
        return error_wrap(err, "cannot switch the source machine on again");
    }
    CLEANUP(str) char *text = error_format(failure);
    finding_add(run->status, "SourceNotRestored", CONDITION_WARN, "NotFound", NULL,
                "the source machine was on, and cannot be switched on again: %s", text);
    room_event(view->room, &KIND_PLAN, view->plan, EVENT_WARNING, "SourceNotRestored",
               "VM \"%s\": the source machine cannot be switched on again: %s",
               obj_str(run->status, "name", ""), text);
    return 0;
}

int clean_up_run(struct vm_run *run, bool *done, struct error **err)
{
    bool canceled = vm_status_is_canceled(run->status);
    bool clean = false, undo = false;

    if (find_undone(run, &undo, err) == -1)
        return -1;
    enum leftovers_scope scope =
        undo && (canceled || deletes_on_failure(run)) ? LEFTOVERS_TARGET : LEFTOVERS_HELPERS;
    if (leftovers_remove(run, scope, &clean, err) == -1)
        return -1;
    /* A canceled hook must not go on. */
    if (canceled && (hook_aap_stop(run, err) == -1 ||
                     hook_job_clean(run->view->room->client, run->view->plan, vm_run_id(run),
                                    err) == -1))
        return -1;
    bool no_snapshots = true;
    if (warm_snapshots_clean(run, &no_snapshots, err) == -1)
        return -1;
    if (undo && restore_power(run, err) == -1)
        return -1;
    run->again_ms = POLL_MS;
    *done = clean && no_snapshots;
    return 0;
}
