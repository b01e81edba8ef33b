/* The source of a live migration, as a table of phases.
 *
 *     (none), Pending     the instance is there and free: it is marked as leaving
 *     Synchronizing       the target is asked whether it takes the machine
 *     TargetReady         streams are opened, libvirt is told to migrate
 *     Running             until that ends; then what libvirt says of the machine here decides:
 *                           it is off      the target is told to go on, and here all is ended
 *                           it is not      failed: it goes on here, and the target forgets it
 *     Succeeded, Failed
 *
 * The phase is stored before its step begins, so that a restart goes on from it; a migration that was
 * under way then is over, for our own streams carried it. */
#define LOG_COMPONENT "live"

#include "base/array.h"
#include "base/error.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/time.h"
#include "kube/kinds.h"
#include "kube/meta.h"
#include "kube/quantity.h"
#include "node/agent.h"
#include "node/domain.h"
#include "node/hypervisor.h"
#include "node/hypervisor_live.h"
#include "node/instances.h"
#include "node/live/channel.h"
#include "node/live/departure.h"
#include "node/live/internal.h"
#include "node/live/message.h"
#include "node/live/state.h"

#include <stdlib.h>
#include <string.h>

enum {
    WAIT_MS = 1000,
    PENDING_MS = 600 * 1000, /* for both homes to be ready */
    FOLLOW_MS = 300,
    RELEASE_MS = 3000,           /* between tries to make the target forget a machine */
    RELEASE_LONG_MS = 600 * 1000, /* a target that is gone so long is not waited for */
    ASK_MS = 10000,
    PREPARE_MS = 120 * 1000, /* the target may have to start libvirtd first */
};

/* --- the target ------------------------------------------------------------------------------------- */

static enum error_code code_named(const char *name)
{
    for (int code = 0; code < ERROR_CODE_COUNT; code++)
        if (str_eq(error_code_name((enum error_code)code), name))
            return (enum error_code)code;
    return ERROR_UNAVAILABLE;
}

/* Puts QUESTION, an object, to the target.  A refusal has its own code; a target that cannot be reached
 * is ERROR_UNAVAILABLE, ERROR_TIMEOUT or ERROR_DENIED with *REACHED false. */
static int ask(struct live *live, const json_t *vmim, json_t *question, int64_t ms, json_t **out,
               bool *reached, struct error **err)
{
    CLEANUP(live_channel) struct live_channel *channel = NULL;
    struct deadline deadline = deadline_after(ms);
    const char *url = obj_str(vmim, "spec.sendTo.connectURL", "");
    json_t *answer = NULL;

    *reached = false;
    obj_put_str(question, "migrationID", obj_str(vmim, "spec.sendTo.migrationID", ""));
    obj_put_str(question, "channel", "sync");
    if (live_refresh_trust(live, err) == -1 ||
        live_dial(live->folder, url, deadline, &channel, err) == -1 ||
        live_send(channel, question, deadline, err) == -1 ||
        live_receive(channel, &answer, deadline, err) == -1)
        return -1;
    json_auto_t *owned = answer;
    *reached = true;
    const char *refusal = obj_str(owned, "error", NULL);
    if (refusal != NULL)
        return error_set(err, code_named(obj_str(owned, "code", "")), "target: %s", refusal);
    if (out != NULL)
        *out = json_incref(owned);
    return 0;
}

/* --- ends ------------------------------------------------------------------------------------------- */

static json_t *end_state(bool failed, const char *reason)
{
    json_t *state = obj_pack("{s:b,s:b,s:o}", "completed", !failed, "failed", failed, "endTimestamp",
                             agent_time(time_now_ms()));

    obj_put_str(state, "failureReason", reason);
    return state;
}

/* Decides that the machine stays: from here on nobody asks the target to go on. */
static int fail(struct live *live, const json_t *vmim, const json_t *vmi, const struct error *why,
                struct error **err)
{
    CLEANUP(str) char *reason = error_format(why);
    bool asked = obj_str(vmim, "status.migrationState.targetState.domainName", NULL) != NULL;
    bool canceled = meta_is_deleting(vmim);
    json_t *state = end_state(true, reason);

    if (canceled) {
        obj_put_bool(state, "abortRequested", true);
        obj_put_str(state, "abortStatus", "Succeeded");
    }
    if (vmi != NULL)
        agent_event(live->agent, &KIND_VMI, vmi, true, "Migrating", "%s", reason);
    return live_write(live, vmim, vmi, "Failed", state,
                      live_condition(vmim, "TargetReleased", !asked, asked ? "Pending" : "NeverUsed",
                                     NULL),
                      err);
}

/* After a failure: the guest goes on, then the target forgets it, then the object may go. */
static int after_failure(struct live *live, const json_t *vmim, const json_t *vmi,
                         struct reconcile_result *result, struct error **err)
{
    json_auto_t *question = obj_pack("{s:s,s:s}", "ask", "abort", "reason",
                                     obj_str(vmim, "status.migrationState.failureReason", ""));
    CLEANUP(error) struct error *why = NULL;
    int64_t ended = agent_time_ms(vmim, "status.migrationState.endTimestamp");
    bool reached = false;

    if (departure_resume(live, vmim, vmi, err) == -1)
        return -1;
    if (live_condition_is(vmim, "TargetReleased", "True"))
        return meta_is_deleting(vmim) ? live_remove_finalizer(live, vmim, err) : 0;
    if (ask(live, vmim, question, ASK_MS, NULL, &reached, &why) == 0 ||
        (reached && why->code == ERROR_NOT_FOUND))
        return live_write(live, vmim, NULL, NULL, NULL,
                          live_condition(vmim, "TargetReleased", true, "Released", NULL), err);
    if (time_now_ms() - ended > RELEASE_LONG_MS)
        return live_write(live, vmim, NULL, NULL, NULL,
                          live_condition(vmim, "TargetReleased", true, "GivenUp", why), err);
    result->again_after_ms = RELEASE_MS;
    return live_write(live, vmim, NULL, NULL, NULL,
                      live_condition(vmim, "TargetReleased", false, "TargetNotReached", why), err);
}

/* The VirtualMachine that owns VMI starts no other instance here. */
static int halt_machine(struct live *live, const json_t *vmi, struct error **err)
{
    const json_t *owner = meta_controller_of(vmi);
    json_auto_t *patch = obj_pack("{s:{s:s,s:n}}", "spec", "runStrategy", "Halted", "running");

    if (owner == NULL || !str_eq(obj_str(owner, "kind", ""), "VirtualMachine"))
        return 0;
    if (kube_patch(live->agent->client, &KIND_VM, meta_ns(vmi), obj_str(owner, "name", ""), NULL, patch,
                   NULL, err) == 0)
        return 0;
    if ((*err)->code != ERROR_NOT_FOUND)
        return -1;
    error_clear(err);
    return 0;
}

/* The target runs the machine.  Each step may be repeated. */
static int succeed(struct live *live, const json_t *vmim, const json_t *vmi, const char *domain,
                   struct error **err)
{
    if (vmi != NULL && halt_machine(live, vmi, err) == -1)
        return -1;
    if (fault("live.before-source-is-removed"))
        return error_set(err, ERROR_UNAVAILABLE, "cannot remove the source's machine");
    departure_note_progress(live, vmim, domain);
    if (hypervisor_remove(live->hypervisor, domain, err) == -1)
        return -1;
    if (vmi != NULL) {
        json_auto_t *ended = obj_pack("{s:s,s:o}", "phase", "Succeeded", "migrationState",
                                      end_state(false, NULL));

        if (agent_patch_status(live->agent, &KIND_VMI, vmi, ended, err) == -1) {
            if ((*err)->code != ERROR_NOT_FOUND)
                return -1;
            error_clear(err);
        }
        agent_event(live->agent, &KIND_VMI, vmi, false, "Migrated",
                    "The VirtualMachineInstance migrated to another home.");
    }
    return live_write(live, vmim, NULL, "Succeeded", end_state(false, NULL), NULL, err);
}

/* --- steps ------------------------------------------------------------------------------------------ */

/* Everything that a step knows. */
struct step {
    struct live *live;
    const json_t *vmim, *vmi; /* vmi: NULL if it is gone */
    const char *domain;
    struct reconcile_result *result;
};

static int wait_for(struct step *step, const char *reason, const struct error *why,
                    struct error **err)
{
    if (time_now_ms() - meta_created_ms(step->vmim) > PENDING_MS)
        return fail(step->live, step->vmim, step->vmi, why, err);
    step->result->again_after_ms = WAIT_MS;
    return live_write(step->live, step->vmim, NULL, NULL, NULL,
                      live_condition(step->vmim, "Ready", false, reason, why), err);
}

static int begin(struct step *step, struct error **err)
{
    struct live *live = step->live;
    CLEANUP(error) struct error *why = NULL;
    const char *other = obj_str(step->vmi, "status.migrationState.migrationUid", "");
    json_t *policy = NULL;

    if (live_add_finalizer(live, step->vmim, err) == -1)
        return -1;
    if (step->vmi == NULL || !str_eq(obj_str(step->vmi, "status.phase", ""), "Running") ||
        live_is_receiver(step->vmi)) {
        error_set(&why, ERROR_UNAVAILABLE, "instance \"%s\" does not run",
                  obj_str(step->vmim, "spec.vmiName", ""));
        return wait_for(step, "InstanceNotRunning", why, err);
    }
    if (live_is_leaving(step->vmi) && !str_eq(other, meta_uid(step->vmim))) {
        error_set(&why, ERROR_BUSY, "instance \"%s\" is on its way with another migration",
                  meta_name(step->vmi));
        return wait_for(step, "OtherMigration", why, err);
    }
    if (live_policy(live->agent, step->vmi, &policy, err) == -1)
        return -1;
    json_t *state = obj_pack(
        "{s:s,s:s,s:b,s:b,s:o,s:{s:s,s:s,s:s,s:s,s:s},s:o,s:n,s:n,s:n,s:n,s:n}", "migrationUid",
        meta_uid(step->vmim), "sourceNode", live->agent->name, "completed", false, "failed", false,
        "startTimestamp", agent_time(time_now_ms()), "sourceState", "node", live->agent->name,
        "domainName", step->domain, "domainNamespace", meta_ns(step->vmi),
        "virtualMachineInstanceUID", meta_uid(step->vmi), "migrationUID", meta_uid(step->vmim),
        "migrationConfiguration", policy, "endTimestamp", "failureReason", "targetState",
        "abortRequested", "abortStatus");
    obj_put_str(state, "migrationPolicyName", obj_str(policy, "policy", NULL));
    obj_del(policy, "policy");
    return live_write(live, step->vmim, step->vmi, "Synchronizing", state, NULL, err);
}

static int synchronize(struct step *step, struct error **err)
{
    struct live *live = step->live;
    CLEANUP(error) struct error *why = NULL;
    json_t *machine = NULL, *answer = NULL;
    bool reached = false;

    if (hypervisor_live_describe(live->hypervisor, step->domain, &machine, &why) == -1)
        return fail(live, step->vmim, step->vmi, why, err);
    departure_measure_disks(machine);
    json_auto_t *question = obj_pack(
        "{s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:o}", "ask", "prepare", "id", meta_uid(step->vmim), "node",
        live->agent->name, "namespace", meta_ns(step->vmi), "name", meta_name(step->vmi), "vmiUID",
        meta_uid(step->vmi), "domain", step->domain, "machine", machine);
    departure_add_folder(live, step->vmi, question);
    if (ask(live, step->vmim, question, PREPARE_MS, &answer, &reached, &why) == -1) {
        bool may_change = !reached || why->code == ERROR_NOT_FOUND || why->code == ERROR_BUSY ||
                          why->code == ERROR_UNAVAILABLE;

        return may_change ? wait_for(step, reached ? "TargetNotReady" : "TargetNotReached", why, err)
                          : fail(live, step->vmim, step->vmi, why, err);
    }
    json_auto_t *owned = answer;
    if (live_plan_check(owned, &why) == -1)
        return fail(live, step->vmim, step->vmi, why, err);
    json_t *state = obj_pack(
        "{s:s,s:{s:s,s:s,s:s,s:s}}", "targetNode", obj_str(owned, "node", ""), "targetState", "node",
        obj_str(owned, "node", ""), "domainName", obj_str(owned, "domain", ""), "domainNamespace",
        obj_str(owned, "namespace", ""), "virtualMachineInstanceUID", obj_str(owned, "vmiUID", ""));
    departure_plan(live, step->vmim, step->domain, owned);
    if (obj_bool(step->vmim, "status.migrationState.migrationConfiguration.allowPostCopy", false) &&
        !obj_bool(owned, "postCopy", false))
        agent_event(live->agent, &KIND_VMIM, step->vmim, true, "PostCopyUnavailable",
                    "the guest will not run at the target before all its memory is there: %s",
                    obj_str(owned, "postCopyReason", "the target did not say that it can"));
    return live_write(live, step->vmim, step->vmi, "TargetReady", state,
                      live_condition(step->vmim, "Ready", true, "TargetReady", NULL), err);
}

static int launch(struct step *step, struct error **err)
{
    struct live *live = step->live;

    if (departure_find(live, step->vmim) == NULL) /* we were started anew: ask again */
        return live_write(live, step->vmim, NULL, "Synchronizing", NULL, NULL, err);
    if (live_write(live, step->vmim, NULL, "Running", NULL, NULL, err) == -1)
        return -1;
    step->result->again_after_ms = 1;
    return departure_launch(live, step->vmim, err);
}

/* The machine is off here: it is whole at the target, or nowhere. */
static int hand_over(struct step *step, struct error **err)
{
    json_auto_t *question =
        obj_pack("{s:s,s:b}", "ask", "go", "resume", !departure_was_paused(step->vmi));
    CLEANUP(error) struct error *why = NULL;
    json_t *answer = NULL;
    bool reached = false;

    if (fault("live.before-go"))
        return error_set(err, ERROR_UNAVAILABLE, "cannot reach the target");
    if (ask(step->live, step->vmim, question, ASK_MS * 3, &answer, &reached, &why) == 0) {
        json_auto_t *owned = answer;

        if (!obj_bool(owned, "edited", false))
            agent_event(step->live->agent, &KIND_VMIM, step->vmim, true, "HookDidNotRun",
                        "the machine's definition bears no mark of the target's hooks");
        return succeed(step->live, step->vmim, step->vmi, step->domain, err);
    }
    if (reached && (why->code == ERROR_NOT_FOUND || why->code == ERROR_CONFLICT)) {
        error_wrap(&why, "the machine ended before it had moved");
        return fail(step->live, step->vmim, step->vmi, why, err);
    }
    step->result->again_after_ms = WAIT_MS;
    return live_write(step->live, step->vmim, NULL, NULL, NULL,
                      live_condition(step->vmim, "Ready", false, "TargetNotReached", why), err);
}

static int follow(struct step *step, struct error **err)
{
    struct live *live = step->live;
    struct departure *departure = departure_find(live, step->vmim);
    CLEANUP(error) struct error *why = NULL;
    struct live_look look;

    step->result->again_after_ms = FOLLOW_MS;
    if (departure != NULL && !departure_is_over(departure))
        return departure_follow(departure, step->vmim, err);
    if (hypervisor_live_look(live->hypervisor, step->domain, &look, err) == -1)
        return -1;
    if (look.job) /* libvirt goes on although who asked for it does not wait any more */
        return hypervisor_live_abort(live->hypervisor, step->domain, err);
    if (departure == NULL || !departure_get_error(departure, &why))
        error_set(&why, ERROR_UNAVAILABLE, "the source's agent was started anew");
    if (look.active && look.post_copy) {
        /* half of its memory is there: neither side can go on alone, and nothing must be removed */
        error_wrap(&why, "post-copy broke off");
        return live_write(live, step->vmim, NULL, NULL, NULL,
                          live_condition(step->vmim, "Ready", false, "PostCopyFailed", why), err);
    }
    bool is_away = !look.active;
    int done = is_away ? hand_over(step, err) : fail(live, step->vmim, step->vmi, why, err);
    if (done == 0 && departure != NULL && !is_away)
        departure_forget(live, step->vmim);
    return done;
}

static const struct {
    const char *phase; /* stored in status: never rename */
    int (*run)(struct step *step, struct error **err);
} steps[] = {
    {"", begin},          {"Pending", begin},   {"Synchronizing", synchronize},
    {"TargetReady", launch}, {"Running", follow},
};

static int run_step(struct step *step, const char *phase, struct error **err)
{
    CLEANUP(error) struct error *why = NULL;

    for (size_t i = 0; i < ARRAY_SIZE(steps); i++)
        if (str_eq(steps[i].phase, phase))
            return steps[i].run(step, err);
    error_set(&why, ERROR_INVALID, "unknown phase \"%s\"", phase);
    return fail(step->live, step->vmim, step->vmi, why, err);
}

/* Deleted before it was decided. */
static int cancel(struct step *step, const char *phase, struct error **err)
{
    struct departure *departure = departure_find(step->live, step->vmim);
    CLEANUP(error) struct error *why = NULL;

    if (str_eq(phase, "Running")) {
        if (departure != NULL && !departure_is_over(departure) &&
            departure_cancel(departure, err) == -1)
            return -1;
        return follow(step, err);
    }
    error_set(&why, ERROR_CANCELED, "canceled");
    return fail(step->live, step->vmim, step->vmi, why, err);
}

int live_send_reconcile(struct live *live, const json_t *vmim, struct reconcile_result *result,
                        struct error **err)
{
    const char *phase = obj_str(vmim, "status.phase", "");
    const char *instance = obj_str(vmim, "spec.vmiName", "");
    CLEANUP(str) char *domain = xasprintf("%s_%s", meta_ns(vmim), instance);
    json_t *vmi = NULL;

    if (kube_get(live->agent->client, &KIND_VMI, meta_ns(vmim), instance, &vmi, err) == -1)
        return -1;
    json_auto_t *owned = vmi;
    const char *source = obj_str(vmim, "status.migrationState.sourceState.virtualMachineInstanceUID", NULL);
    bool same = source == NULL || str_eq(source, meta_uid(owned));
    struct step step = {live, vmim, same ? owned : NULL, domain, result};

    if (str_eq(phase, "Succeeded") || str_eq(phase, "Failed"))
        departure_forget(live, vmim);
    if (str_eq(phase, "Failed"))
        return after_failure(live, vmim, step.vmi, result, err);
    if (str_eq(phase, "Succeeded"))
        return meta_is_deleting(vmim) ? live_remove_finalizer(live, vmim, err) : 0;
    if (meta_is_deleting(vmim)) {
        if (!meta_has_finalizer(vmim, LIVE_FINALIZER))
            return 0;
        return cancel(&step, phase, err);
    }
    return run_step(&step, phase, err);
}
