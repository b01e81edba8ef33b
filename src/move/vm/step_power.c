/* The source machine's power: remembered, switched off, waited for. */
#include "base/error.h"
#include "base/text.h"
#include "base/time.h"
#include "data/obj.h"
#include "move/vm/vm_run.h"
#include "move/vm/vm_status.h"

#include <inttypes.h>

enum {
    POLL_MS = 2000,
    FORCE_AFTER_MS = 5 * 60 * 1000, /* the guest did not follow: switch it off */
    GIVE_UP_MS = 10 * 60 * 1000,
};

#define ANNOTATION_POWER_OFF "powerOffAsked"

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

int power_off_run(struct vm_run *run, bool *done, struct error **err)
{
    enum source_power state = SOURCE_POWER_OFF;
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
                        time_format(time_now_ms(), now));
    return run->view->ops->power_set(run->view->source, vm_run_id(run), SOURCE_POWER_OFF, false,
                                     NULL, err);
}

int wait_for_power_off_run(struct vm_run *run, bool *done, struct error **err)
{
    const json_t *step = vm_run_pipeline_step(run);
    const char *asked = step_annotation(step, ANNOTATION_POWER_OFF);
    enum source_power state = SOURCE_POWER_OFF;
    int64_t since = time_now_ms();

    if (has_power(run) &&
        (need_source(run, err) == -1 ||
         run->view->ops->power_get(run->view->source, vm_run_id(run), &state, err) == -1))
        return -1;
    if (state == SOURCE_POWER_OFF) {
        *done = true;
        return 0;
    }
    if (asked != NULL && time_parse(asked, &since, err) == -1)
        return -1;
    int64_t waited = time_now_ms() - since;
    run->again_ms = POLL_MS;
    if (waited > GIVE_UP_MS) {
        error_set(err, ERROR_IO, "the source machine is still on after %" PRId64 " minutes",
                  waited / 60000);
        return error_hint(err, "switch it off by hand and start the migration again");
    }
    if (waited > FORCE_AFTER_MS)
        return run->view->ops->power_set(run->view->source, vm_run_id(run), SOURCE_POWER_OFF, true,
                                         NULL, err);
    return 0;
}
