/* The source machine's power: remembered, switched off, waited for. */
#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/time.h"
#include "data/obj.h"
#include "kube/conditions.h"
#include "kube/meta.h"
#include "move/vm/vm_run.h"
#include "move/vm/vm_status.h"

#include <inttypes.h>
#include <stdlib.h>

enum {
    POLL_MS = 1000,
    GIVE_UP_MS = 5 * 60 * 1000, /* after it was to be switched off */
};

#define ANNOTATION_POWER_OFF "powerOffAsked"
/* On a Plan: "false" forbids to switch off a machine whose guest does not shut down. */
#define ANNOTATION_FORCE "gantry.io/force-power-off"

static bool has_power(const struct vm_run *run)
{
    return run->view->ops != NULL && run->view->ops->can_power;
}

static int need_source(const struct vm_run *run, struct error **err)
{
    if (run->view->source == NULL)
        return error_set(err, ERROR_UNAVAILABLE, "the source provider is not open");
    return 0;
}

int store_power_state_run(struct vm_run *run, bool *done, struct error **err)
{
    static const char *const names[] = {
        [SOURCE_POWER_OFF] = "Off", [SOURCE_POWER_ON] = "On", [SOURCE_POWER_UNKNOWN] = "Unknown"};
    enum source_power state = SOURCE_POWER_OFF;

    if (has_power(run)) {
        if (need_source(run, err) == -1 ||
            run->view->ops->power_get(run->view->source, vm_run_id(run), &state, err) == -1)
            return -1;
    }
    if (obj_str(run->status, "restorePowerState", NULL) == NULL)
        obj_put_str(run->status, "restorePowerState", names[state]);
    *done = true;
    return 0;
}

/* A plan may say that guests are never switched off over their heads. */
static bool may_force(const struct vm_run *run)
{
    return !str_eq(meta_annotation(run->view->plan, ANNOTATION_FORCE), "false");
}

static int power_off(struct vm_run *run, bool force, struct error **err)
{
    return run->view->ops->power_set(run->view->source, vm_run_id(run), SOURCE_POWER_OFF, force,
                                     NULL, err);
}

/* Switches the machine off and says so. */
static int force_off(struct vm_run *run, const char *why, struct error **err)
{
    if (!may_force(run)) {
        error_set(err, ERROR_IO, "the source machine is still on (%s), and the plan forbids to "
                                 "switch it off", why);
        return error_hint(err, "shut it down by hand, or take away the annotation " ANNOTATION_FORCE);
    }
    CLEANUP(str) char *message = xasprintf("The source machine was switched off: %s.", why);
    vm_status_set_condition(run->status, "SourcePoweredOff", "Forced", message);
    return power_off(run, true, err);
}

int power_off_run(struct vm_run *run, bool *done, struct error **err)
{
    enum source_power state = SOURCE_POWER_OFF;
    CLEANUP(error) struct error *failure = NULL;
    char now[TIME_TEXT_SIZE];

    *done = true;
    if (!has_power(run))
        return 0;
    if (need_source(run, err) == -1 ||
        run->view->ops->power_get(run->view->source, vm_run_id(run), &state, err) == -1)
        return -1;
    if (state == SOURCE_POWER_OFF)
        return 0;
    step_set_annotation(vm_run_pipeline_step(run), ANNOTATION_POWER_OFF,
                        time_format_micro(time_now_ms(), now));
    if (power_off(run, false, &failure) == 0)
        return 0;
    if (failure->code == ERROR_UNSUPPORTED)
        return force_off(run, "its guest cannot be asked to shut down", err);
    *err = steal(&failure);
    return -1;
}

/* Down by itself, unless a condition says otherwise already. */
static void note_shut_down(struct vm_run *run)
{
    if (step_annotation(vm_run_pipeline_step(run), ANNOTATION_POWER_OFF) != NULL &&
        !conditions_is_true(run->status, "SourcePoweredOff"))
        vm_status_set_condition(run->status, "SourcePoweredOff", "GuestShutDown",
                                "The source machine's guest shut down.");
}

int wait_for_power_off_run(struct vm_run *run, bool *done, struct error **err)
{
    const json_t *step = vm_run_pipeline_step(run);
    const char *asked = step_annotation(step, ANNOTATION_POWER_OFF);
    enum source_power state = SOURCE_POWER_OFF;
    int64_t since = time_now_ms(), patience_ms = run->view->settings.shutdown_ms;

    if (has_power(run) &&
        (need_source(run, err) == -1 ||
         run->view->ops->power_get(run->view->source, vm_run_id(run), &state, err) == -1))
        return -1;
    if (state == SOURCE_POWER_OFF) {
        note_shut_down(run);
        *done = true;
        return 0;
    }
    if (asked != NULL && time_parse(asked, &since, err) == -1)
        return -1;
    int64_t waited = time_now_ms() - since;
    run->again_ms = patience_ms < POLL_MS ? patience_ms + 1 : POLL_MS;
    if (waited > patience_ms + GIVE_UP_MS) {
        error_set(err, ERROR_IO, "the source machine is still on after %" PRId64 " minutes",
                  waited / 60000);
        return error_hint(err, "switch it off by hand and start the migration again");
    }
    if (waited > patience_ms) {
        CLEANUP(str)
        char *why = xasprintf("its guest had not shut down after %" PRId64 " s", waited / 1000);
        return force_off(run, why, err);
    }
    return 0;
}
