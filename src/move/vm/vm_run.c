/* The driver: who may move a VM along its itinerary. */

#define LOG_COMPONENT "move"

#include "move/vm/vm_run.h"

#include "base/array.h"
#include "base/error.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/time.h"
#include "data/obj.h"
#include "kube/conditions.h"
#include "kube/kinds.h"
#include "kube/meta.h"
#include "move/vm/vm_status.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
    RETRY_MS = 2000,                     /* after a failure that may pass */
    RETRY_LIMIT_MS = 15 * 60 * 1000,     /* such failures in a row, then it counts */
    CLEAN_UP_LIMIT_MS = 5 * 60 * 1000,   /* the same while cleaning up */
    SHUT_OUT_LIMIT_MS = 60 * 60 * 1000,  /* and while the source refuses our password */
};

#define ANNOTATION_FAILING_SINCE "failingSince"
#define ANNOTATION_HELD "held"
#define CONDITION_CLEANING_UP "CleaningUp"

enum itinerary vm_run_itinerary(const struct vm_run *run)
{
    /* What the plan says may change meanwhile; the pipeline was made at the beginning. */
    return vm_status_step(run->status, PIPELINE_CUTOVER) != NULL ? ITINERARY_WARM : ITINERARY_COLD;
}

const char *vm_run_id(const struct vm_run *run)
{
    return obj_str(run->status, "id", "");
}

const char *vm_run_target_name(const struct vm_run *run)
{
    const char *name = obj_str(run->status, "newName", "");

    if (name[0] == '\0')
        name = obj_str(run->status, "targetName", "");
    return name[0] != '\0' ? name : obj_str(run->status, "name", "");
}

const char *vm_run_target_ns(const struct vm_run *run)
{
    return obj_str(run->view->plan, "spec.targetNamespace", "");
}

int vm_run_describe(struct vm_run *run, struct error **err)
{
    if (run->machine != NULL)
        return 0;
    if (run->view->source == NULL || run->vm == NULL)
        return error_set(err, ERROR_UNAVAILABLE, "the source provider is not open");
    return run->view->ops->describe(run->view->source, run->vm, &run->machine, err);
}

void vm_run_reset(struct vm_run *run)
{
    machine_free(run->machine);
    json_decref(run->vm);
    memset(run, 0, sizeof(*run));
}

/* ---- the pipeline beside the phases ------------------------------------------------------ */

enum step_id vm_run_step(const struct vm_run *run)
{
    CLEANUP(error) struct error *failure = NULL;
    enum step_id id = STEP_CLEAN_UP;

    /* A phase that is not ours (a newer or another controller's status) cannot be gone on with:
     * what was made is cleaned up. */
    if (step_find(obj_str(run->status, "phase", "Started"), &id, &failure) == -1) {
        CLEANUP(str) char *text = error_format(failure);
        error_add_reason(run->status, obj_str(run->status, "phase", ""), text);
    }
    return id;
}

json_t *vm_run_pipeline_step(const struct vm_run *run)
{
    const char *name = itinerary_get(vm_run_itinerary(run), vm_run_step(run))->pipeline;

    return name != NULL ? vm_status_step(run->status, name) : NULL;
}

static unsigned held_flags(const struct vm_run *run)
{
    const json_t *hooks = obj_arr(run->status, "hooks");
    unsigned flags = 0;

    for (size_t i = 0; i < json_array_size(hooks); i++) {
        const char *step = obj_str(json_array_get(hooks, i), "step", "");
        if (str_eq(step, PIPELINE_PRE_HOOK))
            flags |= NEEDS_PRE_HOOK;
        if (str_eq(step, PIPELINE_POST_HOOK))
            flags |= NEEDS_POST_HOOK;
    }
    if (plan_view_converts(run->view))
        flags |= NEEDS_CONVERSION;
    return flags;
}

int64_t vm_run_cutover_ms(const struct vm_run *run)
{
    const char *text = obj_str(run->migration, "spec.cutover", NULL);
    const json_t *own = obj_arr(run->migration, "spec.vmCutover");
    CLEANUP(error) struct error *ignored = NULL; /* the API server has checked its form */
    int64_t at = -1;

    for (size_t i = 0; i < json_array_size(own); i++)
        if (str_eq(obj_str(json_array_get(own, i), "id", ""), vm_run_id(run)))
            text = obj_str(json_array_get(own, i), "cutover", text);
    return text == NULL || time_parse(text, &at, &ignored) == -1 ? -1 : at;
}

static bool is_cutover_due(const struct vm_run *run)
{
    int64_t at = vm_run_cutover_ms(run);

    return at != -1 && at <= time_now_ms();
}

/* The step behind ID that is part of this VM's itinerary. */
static enum step_id following(const struct vm_run *run, enum step_id id)
{
    enum itinerary itinerary = vm_run_itinerary(run);
    const struct leg *leg = itinerary_get(itinerary, id);
    unsigned flags = held_flags(run);
    enum step_id next = leg->forks && is_cutover_due(run) ? leg->other : leg->next;

    while ((step_get(next)->needs & flags) != step_get(next)->needs)
        next = itinerary_get(itinerary, next)->next;
    return next;
}

/* Finishes the pipeline's step if the next phase counts to another one. */
static void enter(struct vm_run *run, enum step_id from, enum step_id to)
{
    enum itinerary itinerary = vm_run_itinerary(run);
    const char *name = itinerary_get(itinerary, from)->pipeline;
    json_t *old = name != NULL ? vm_status_step(run->status, name) : NULL;
    bool failed = obj_obj(run->status, "error") != NULL || vm_status_is_canceled(run->status);

    if (old != NULL && !failed && !str_eq(name, itinerary_get(itinerary, to)->pipeline))
        step_finish(old, obj_str(old, "reason", NULL));
    obj_put_str(run->status, "phase", step_get(to)->name);
    if (to == STEP_CLEAN_UP)
        vm_status_set_condition(run->status, CONDITION_CLEANING_UP, NULL,
                                "what is not needed any more is being removed");
    log_info("phase begins: vm=%s phase=%s", vm_run_id(run), step_get(to)->name);
}

/* ---- failures ---------------------------------------------------------------------------- */

void vm_run_fail(struct vm_run *run, const char *text, const char *hint)
{
    enum step_id id = vm_run_step(run);
    json_t *step = vm_run_pipeline_step(run);
    CLEANUP(str) char *reason =
        hint != NULL ? xasprintf("%s (%s)", text, hint) : xstrdup(text);

    if (step != NULL) {
        error_add_reason(step, step_get(id)->name, reason);
        obj_put_str(step, "phase", "Completed");
        timed_complete(step);
    }
    error_add_reason(run->status, step_get(id)->name, reason);
    room_event(run->view->room, &KIND_PLAN, run->view->plan, EVENT_WARNING, "VMFailed",
               "VM \"%s\" failed in %s: %s", obj_str(run->status, "name", ""), step_get(id)->name,
               reason);
    log_warn("vm failed: vm=%s phase=%s reason=%s", vm_run_id(run), step_get(id)->name, reason);
    enter(run, id, step_get(id)->on_failure);
}

void vm_run_cancel(struct vm_run *run, const char *reason, const char *message)
{
    enum step_id id = vm_run_step(run);

    if (vm_status_is_completed(run->status) || vm_status_is_canceled(run->status))
        return;
    CLEANUP(str) char *text =
        vm_status_has_target(run->status)
            ? xasprintf("%s Its machine is done and stays: remove it if you do not want it.", message)
            : xstrdup(message);
    vm_status_set_condition(run->status, "Canceled", reason, text);
    room_event(run->view->room, &KIND_PLAN, run->view->plan, EVENT_NORMAL, "VMCanceled",
               "VM \"%s\": %s", obj_str(run->status, "name", ""), text);
    if (!vm_status_is_started(run->status))
        timed_start(run->status);
    if (id != STEP_CLEAN_UP && id != STEP_COMPLETED)
        enter(run, id, STEP_CLEAN_UP);
}

static bool is_older(const char *when, int64_t ms)
{
    CLEANUP(error) struct error *ignored = NULL;
    int64_t then = 0;

    return when != NULL && time_parse(when, &then, &ignored) == 0 && time_now_ms() - then > ms;
}

/* Remembers since when a step keeps failing in a way that may pass; true while there is patience. */
static bool is_patient(struct vm_run *run, const char *text)
{
    json_t *step = vm_run_pipeline_step(run);
    char now[TIME_TEXT_SIZE];

    if (step == NULL)
        return true;
    if (step_annotation(step, ANNOTATION_FAILING_SINCE) == NULL)
        step_set_annotation(step, ANNOTATION_FAILING_SINCE, time_format(time_now_ms(), now));
    step_set_reason(step, text);
    return !is_older(step_annotation(step, ANNOTATION_FAILING_SINCE), RETRY_LIMIT_MS);
}

/* A password that became wrong is put right by somebody, who need not be quick: until then snapshots
 * and machines that are off would stay so on the source.  Who deletes the plan does not wait. */
static int64_t clean_up_limit_ms(const struct vm_run *run, const struct error *failure)
{
    const json_t *source = run->view->providers.source;
    bool shut_out = failure->code == ERROR_DENIED && source != NULL && !object_is_ready(source);

    return shut_out && !object_is_deleted(run->view->plan) ? SHUT_OUT_LIMIT_MS : CLEAN_UP_LIMIT_MS;
}

/* Cleaning up is tried again whatever the failure, until its time is over; then what is left is
 * named, and the VM's result stays what it was. */
static void clean_up_failed(struct vm_run *run, const struct error *failure, const char *text)
{
    run->again_ms = RETRY_MS;
    if (!is_older(vm_status_condition_time(run->status, CONDITION_CLEANING_UP),
                  clean_up_limit_ms(run, failure)))
        return;
    finding_add(run->status, "CleanUpFailed", CONDITION_WARN, "LeftOvers",
                "remove what is labelled with the plan's and the VM's id by hand", "%s", text);
    log_warn("clean-up given up: vm=%s reason=%s", vm_run_id(run), text);
    enter(run, STEP_CLEAN_UP, step_get(STEP_CLEAN_UP)->on_failure);
}

static void forget_failures(struct vm_run *run)
{
    json_t *step = vm_run_pipeline_step(run);

    if (step != NULL && (step_annotation(step, ANNOTATION_FAILING_SINCE) != NULL ||
                         step_annotation(step, ANNOTATION_HELD) != NULL)) {
        step_set_annotation(step, ANNOTATION_FAILING_SINCE, NULL);
        step_set_annotation(step, ANNOTATION_HELD, NULL);
        step_set_reason(step, NULL);
    }
}

void vm_run_hold(struct vm_run *run, const char *text)
{
    json_t *step = vm_run_pipeline_step(run);

    if (step == NULL || step_is_finished(step))
        return;
    step_set_annotation(step, ANNOTATION_HELD, "true");
    step_set_reason(step, text);
}

/* ---- the driver -------------------------------------------------------------------------- */

static void complete(struct vm_run *run)
{
    conditions_delete(run->status, CONDITION_CLEANING_UP);
    timed_complete(run->status);
    if (vm_status_is_canceled(run->status))
        return;
    if (obj_obj(run->status, "error") != NULL) {
        vm_status_set_condition(run->status, "Failed", NULL, "The VM migration has FAILED.");
        return;
    }
    vm_status_set_condition(run->status, "Succeeded", NULL, "The VM migration has SUCCEEDED.");
    room_event(run->view->room, &KIND_PLAN, run->view->plan, EVENT_NORMAL, "VMSucceeded",
               "VM \"%s\" was moved to \"%s/%s\"", obj_str(run->status, "name", ""),
               vm_run_target_ns(run), vm_run_target_name(run));
}

/* Runs the present step once; true if it is done and the next may begin. */
static bool run_step(struct vm_run *run, enum step_id id)
{
    CLEANUP(error) struct error *failure = NULL;
    json_t *pipeline = vm_run_pipeline_step(run);
    bool done = false;

    if (pipeline != NULL)
        step_begin(pipeline);
    CLEANUP(str) char *point = xasprintf("move.%s", step_get(id)->name);
    if (fault(point))
        error_set(&failure, ERROR_IO, "a fault was asked for at %s", point);
    else if (step_get(id)->run(run, &done, &failure) == 0) {
        forget_failures(run);
        return done;
    }
    CLEANUP(str) char *text = error_format(failure);
    bool passing = error_is_transient(failure) || failure->code == ERROR_CONFLICT;
    if (id == STEP_CLEAN_UP)
        clean_up_failed(run, failure, text);
    else if (passing && is_patient(run, text))
        run->again_ms = RETRY_MS;
    else
        vm_run_fail(run, text, error_get_hint(failure));
    return false;
}

/* True if the phase that begins after FROM has to be on record first.  A hook must not run twice;
 * the steps of a warm migration take minutes, and what they find is dear. */
static bool is_recorded(const struct vm_run *run, enum step_id from)
{
    enum step_id id = vm_run_step(run);

    if (id == STEP_POWER_OFF_SOURCE && !(run->view->ops != NULL && run->view->ops->can_power))
        return false;
    return step_get(id)->recorded || from == STEP_PRE_HOOK ||
           vm_run_itinerary(run) == ITINERARY_WARM;
}

void vm_run_advance(struct vm_run *run)
{
    for (unsigned moves = 0; moves < 2 * STEP_COUNT; moves++) {
        enum step_id id = vm_run_step(run);

        if (vm_status_is_completed(run->status))
            return;
        if (id == STEP_COMPLETED) {
            complete(run);
            return;
        }
        run->again_ms = 0;
        if (run_step(run, id))
            enter(run, id, following(run, id));
        else if (vm_run_step(run) == id)
            return; /* waits */
        if (is_recorded(run, id)) {
            run->wants_record = true;
            return;
        }
    }
}
