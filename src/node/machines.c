#define LOG_COMPONENT "node"

#include "node/machines.h"

#include "base/array.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/time.h"
#include "data/obj.h"
#include "kube/controller.h"
#include "kube/kinds.h"
#include "kube/meta.h"
#include "node/agent.h"
#include "node/instances.h"
#include "node/live/state.h"
#include "node/machine_resources.h"

#include <stdlib.h>

enum { WORKERS = 2, RESTART_MIN_MS = 1000, RESTART_MAX_MS = 300 * 1000, STABLE_MS = 600 * 1000 };

struct machines {
    struct agent *agent;
    struct controller *controller;
};

/* What is wanted of the instance. */
enum want { WANT_NONE, WANT_SOME, WANT_KEEP };

static const char *strategy_of(const json_t *vm)
{
    const char *strategy = obj_str(vm, "spec.runStrategy", NULL);

    if (strategy != NULL)
        return strategy;
    return obj_bool(vm, "spec.running", false) ? "Always" : "Halted";
}

static const char *requested(const json_t *vm)
{
    return obj_str(vm, "status.stateChangeRequests[0].action", "");
}

static bool has_ended(const json_t *vmi)
{
    const char *phase = obj_str(vmi, "status.phase", "");

    return str_eq(phase, "Succeeded") || str_eq(phase, "Failed");
}

static enum want want_of(const json_t *vm, const json_t *vmi)
{
    const char *strategy = strategy_of(vm), *request = requested(vm);

    if (meta_is_deleting(vm) || str_eq(request, "Stop"))
        return WANT_NONE;
    if (vmi != NULL && live_has_left(vmi)) /* also when we have not yet seen that it is to be halted */
        return str_eq(strategy, "Halted") ? WANT_NONE : WANT_KEEP;
    if (str_eq(strategy, LIVE_RECEIVER_STRATEGY))
        return WANT_SOME;
    if (str_eq(request, "Start") || str_eq(strategy, "Always"))
        return WANT_SOME;
    if (str_eq(strategy, "RerunOnFailure"))
        return str_eq(obj_str(vmi, "status.phase", ""), "Succeeded") ? WANT_KEEP : WANT_SOME;
    if (str_eq(strategy, "Once"))
        return obj_bool(vm, "status.created", false) && vmi == NULL ? WANT_KEEP
               : vmi == NULL                                        ? WANT_SOME
                                                                    : WANT_KEEP;
    return str_eq(strategy, "Manual") ? WANT_KEEP : WANT_NONE;
}

static json_t *new_instance(const json_t *vm)
{
    json_t *vmi = meta_new(&KIND_VMI, meta_ns(vm), meta_name(vm));
    static const char *const copied[] = {"labels", "annotations"};

    for (size_t i = 0; i < ARRAY_SIZE(copied); i++) {
        CLEANUP(str) char *from = xasprintf("spec.template.metadata.%s", copied[i]);
        CLEANUP(str) char *to = xasprintf("metadata.%s", copied[i]);

        if (obj_obj(vm, from) != NULL)
            obj_take(vmi, to, obj_copy(obj_obj(vm, from)));
    }
    obj_take(vmi, "spec", obj_copy(obj_obj(vm, "spec.template.spec")));
    meta_add_finalizer(vmi, INSTANCE_FINALIZER);
    meta_add_owner(vmi, &KIND_VM, vm, true);
    if (str_eq(strategy_of(vm), LIVE_RECEIVER_STRATEGY))
        meta_set_annotation(vmi, LIVE_RECEIVER_ANNOTATION, "true");
    return vmi;
}

/* The pause before an instance that ended is replaced: it doubles while they end soon. */
static int64_t restart_left_ms(const json_t *vm, const json_t *vmi)
{
    int64_t failures = obj_int(vm, "status.startFailure.consecutiveFailCount", 0), ended = 0;
    int64_t delay = RESTART_MIN_MS;
    const json_t *entry;
    size_t i;

    json_array_foreach(obj_arr(vmi, "status.phaseTransitionTimestamps"), i, entry)
    {
        int64_t ms = agent_time_ms(entry, "phaseTransitionTimestamp");

        if (ms > ended)
            ended = ms;
    }
    for (int64_t n = 0; n < failures && delay < RESTART_MAX_MS; n++)
        delay *= 2;
    return ended + (delay > RESTART_MAX_MS ? RESTART_MAX_MS : delay) - time_now_ms();
}

static int remove_instance(struct agent *agent, const json_t *vmi, struct error **err)
{
    return vmi == NULL || meta_is_deleting(vmi)
               ? 0
               : kube_delete(agent->client, &KIND_VMI, meta_ns(vmi), meta_name(vmi), meta_uid(vmi),
                             KUBE_DELETE_BACKGROUND, err);
}

/* Makes or removes the instance.  *REPLACED tells that one which ended goes, to be made anew. */
static int settle(struct agent *agent, const json_t *vm, const json_t *vmi, bool *replaced,
                  struct reconcile_result *result, struct error **err)
{
    enum want want = want_of(vm, vmi);

    if (want == WANT_NONE)
        return remove_instance(agent, vmi, err);
    if (want == WANT_KEEP)
        return 0;
    if (vmi == NULL) {
        json_auto_t *made = new_instance(vm);

        if (kube_create(agent->client, &KIND_VMI, meta_ns(vm), made, NULL, err) == 0) {
            agent_event(agent, &KIND_VM, vm, false, "SuccessfulCreate",
                        "Started the virtual machine by creating the new virtual machine instance %s",
                        meta_name(vm));
            return 0;
        }
        if ((*err)->code != ERROR_EXISTS)
            return error_wrap(err, "instance of machine \"%s\"", meta_name(vm));
        error_clear(err); /* the cache has not seen it yet */
        return 0;
    }
    if (!has_ended(vmi) || meta_is_deleting(vmi))
        return 0;
    int64_t left = str_eq(requested(vm), "Start") ? 0 : restart_left_ms(vm, vmi);
    if (left > 0) {
        result->again_after_ms = left;
        return 0;
    }
    *replaced = true;
    return remove_instance(agent, vmi, err);
}

static bool condition_is_true(const json_t *object, const char *type)
{
    const json_t *condition;
    size_t i;

    json_array_foreach(obj_arr(object, "status.conditions"), i, condition)
        if (str_eq(obj_str(condition, "type", ""), type))
            return str_eq(obj_str(condition, "status", ""), "True");
    return false;
}

static const char *printable(const json_t *vm, const json_t *vmi)
{
    const char *phase = obj_str(vmi, "status.phase", "");

    if (meta_is_deleting(vm))
        return "Terminating";
    if (vmi == NULL)
        return want_of(vm, vmi) == WANT_SOME ? "Starting" : "Stopped";
    if (meta_is_deleting(vmi))
        return "Stopping";
    if (live_is_leaving(vmi))
        return "Migrating";
    if (live_is_receiver(vmi))
        return "WaitingForReceiver";
    if (has_ended(vmi))
        return want_of(vm, vmi) == WANT_SOME ? "CrashLoopBackOff" : "Stopped";
    if (str_eq(phase, "Running"))
        return condition_is_true(vmi, "Paused") ? "Paused" : "Running";
    return str_eq(obj_str(vmi, "status.reason", ""), "FailedCreate") ? "ErrorUnschedulable"
                                                                     : "Starting";
}

/* Why the instance cannot be started, from its own condition. */
static void copy_failure(json_t *status, const json_t *vm, const json_t *vmi)
{
    const json_t *condition;
    size_t i;

    json_array_foreach(obj_arr(vmi, "status.conditions"), i, condition)
        if (str_eq(obj_str(condition, "type", ""), "Synchronized"))
            agent_set_condition(status, obj_obj(vm, "status"), "Failure", true,
                                obj_str(condition, "reason", ""),
                                obj_str(condition, "message", ""));
}

static int write_status(struct agent *agent, const json_t *vm, const json_t *vmi, bool replaced,
                        struct error **err)
{
    bool ready = condition_is_true(vmi, "Ready"), created = vmi != NULL;
    const char *request = requested(vm);
    bool served = (str_eq(request, "Start") && created && !has_ended(vmi)) ||
                  (str_eq(request, "Stop") && !created);
    int64_t failures = obj_int(vm, "status.startFailure.consecutiveFailCount", 0);
    /* "Once" must remember that there was an instance */
    bool once = str_eq(strategy_of(vm), "Once") && obj_bool(vm, "status.created", false);
    json_auto_t *status = obj_pack("{s:b,s:b,s:s,s:s}", "created", created || once, "ready", ready,
                                   "printableStatus", printable(vm, vmi), "runStrategy",
                                   strategy_of(vm));

    obj_put_int(status, "desiredGeneration", meta_generation(vm));
    obj_put_int(status, "observedGeneration", meta_generation(vm));
    obj_take(status, "conditions", json_array());
    agent_set_condition(status, obj_obj(vm, "status"), "Ready", ready,
                        ready     ? NULL
                        : created ? "GuestNotRunning"
                                  : "VMINotExists",
                        ready     ? NULL
                        : created ? "Guest VM is not reported as running"
                                  : "VMI does not exist");
    copy_failure(status, vm, vmi);
    if (condition_is_true(vmi, "Paused"))
        agent_set_condition(status, obj_obj(vm, "status"), "Paused", true, "PausedByUser",
                            "VMI was paused by user");
    if (served)
        obj_take(status, "stateChangeRequests", json_null());
    if (replaced)
        obj_put_int(status, "startFailure.consecutiveFailCount", failures + 1);
    else if (failures > 0 && ready && time_now_ms() - meta_created_ms(vmi) > STABLE_MS)
        obj_take(status, "startFailure", json_null());
    return agent_patch_status(agent, &KIND_VM, vm, status, err);
}

static int remove_folder(struct agent *agent, const json_t *vm, struct error **err)
{
    return machine_forget(agent, meta_uid(vm), err);
}

static int reconcile(void *arg, const char *ns, const char *name, struct cancel *cancel,
                     struct reconcile_result *result, struct error **err)
{
    struct agent *agent = ((struct machines *)arg)->agent;
    json_auto_t *vm = kube_cache_get(agent->machines, ns, name);
    json_auto_t *vmi = kube_cache_get(agent->instances, ns, name);
    bool replaced = false;

    if (vm == NULL)
        return 0;
    if (vmi != NULL && !meta_is_owned_by(vmi, meta_uid(vm)))
        return error_set(err, ERROR_CONFLICT,
                         "instance \"%s\" belongs to another machine of the same name", name);
    if (settle(agent, vm, vmi, &replaced, result, err) == -1)
        return -1;
    if (meta_is_deleting(vm) && vmi == NULL && remove_folder(agent, vm, err) == -1)
        return -1;
    return write_status(agent, vm, vmi, replaced, err);
}

static void on_instance(struct controller *controller, const json_t *vmi, void *arg)
{
    const json_t *owner = meta_controller_of(vmi);

    if (owner != NULL && str_eq(obj_str(owner, "kind", ""), "VirtualMachine"))
        controller_add(controller, meta_ns(vmi), obj_str(owner, "name", ""));
}

/* The last we hear of a machine: its console and firmware variables go with it. */
static void on_machine(void *arg, enum kube_change change, const json_t *old, const json_t *object)
{
    struct machines *machines = arg;
    CLEANUP(error) struct error *err = NULL;

    if (change == KUBE_DELETED && remove_folder(machines->agent, object, &err) == -1)
        log_write_error(LOG_LEVEL_WARN, LOG_COMPONENT, err, "cannot remove a machine's folder");
}

int machines_start(struct agent *agent, struct machines **out, struct error **err)
{
    CLEANUP(machines) struct machines *machines = xcalloc(1, sizeof(*machines));
    struct controller_spec spec = {
        .name = "machines", .workers = WORKERS, .reconcile = reconcile, .arg = machines};

    machines->agent = agent;
    machines->controller = controller_new(&spec);
    controller_watch(machines->controller, agent->machines);
    controller_watch_map(machines->controller, agent->instances, on_instance, NULL);
    kube_cache_add_handler(agent->machines, on_machine, machines);
    if (controller_start(machines->controller, err) == -1)
        return -1;
    *out = steal(&machines);
    return 0;
}

void machines_stop(struct machines *machines)
{
    if (machines == NULL)
        return;
    controller_free(machines->controller);
    free(machines);
}

static int set_strategy(struct agent *agent, const json_t *vm, const char *strategy,
                        struct error **err)
{
    json_auto_t *patch = obj_pack("{s:{s:s,s:n}}", "spec", "runStrategy", strategy, "running");

    return kube_patch(agent->client, &KIND_VM, meta_ns(vm), meta_name(vm), NULL, patch, NULL, err);
}

static int request(struct agent *agent, const json_t *vm, const char *action, struct error **err)
{
    json_auto_t *patch =
        obj_pack("{s:{s:[{s:s}]}}", "status", "stateChangeRequests", "action", action);

    return kube_patch(agent->client, &KIND_VM, meta_ns(vm), meta_name(vm), "status", patch, NULL,
                      err);
}

int machines_act(struct machines *machines, const char *ns, const char *name, const char *action,
                 const json_t *body, struct error **err)
{
    struct agent *agent = machines->agent;
    json_t *vm = NULL, *vmi = NULL;

    if (kube_get(agent->client, &KIND_VM, ns, name, &vm, err) == -1)
        return -1;
    __attribute__((unused)) json_auto_t *owned = vm;
    if (vm == NULL)
        return error_set(err, ERROR_NOT_FOUND, "virtualmachine \"%s\" not found", name);
    if (kube_get(agent->client, &KIND_VMI, ns, name, &vmi, err) == -1)
        return -1;
    __attribute__((unused)) json_auto_t *owned_vmi = vmi;
    const char *strategy = strategy_of(vm);
    bool running = vmi != NULL && !has_ended(vmi);

    if (str_eq(action, "start")) {
        if (running)
            return error_set(err, ERROR_CONFLICT, "VM is already running");
        return str_eq(strategy, "Halted") ? set_strategy(agent, vm, "Always", err)
                                          : request(agent, vm, "Start", err);
    }
    if (str_eq(action, "stop")) {
        if (!running && !str_eq(strategy, "Always"))
            return error_set(err, ERROR_CONFLICT, "VM is not running");
        return str_eq(strategy, "Always") ? set_strategy(agent, vm, "Halted", err)
                                          : request(agent, vm, "Stop", err);
    }
    if (str_eq(action, "restart")) {
        if (!running)
            return error_set(err, ERROR_CONFLICT, "VM is not running");
        if (!str_eq(strategy, "Always") && request(agent, vm, "Start", err) == -1)
            return -1;
        return remove_instance(agent, vmi, err);
    }
    return error_set(err, ERROR_UNSUPPORTED, "no action \"%s\" at home", action);
}
