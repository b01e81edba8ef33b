#include "node/pod_status.h"

#include "base/mem.h"
#include "base/text.h"
#include "data/obj.h"
#include "kube/meta.h"
#include "node/agent.h"

#include <stdlib.h>

enum { RESTART_MIN_MS = 1000, RESTART_MAX_MS = 300 * 1000, RESTART_DOUBLINGS = 9 };

void pod_view_reset(struct pod_view *view)
{
    for (size_t i = 0; i < view->count; i++) {
        free(view->containers[i].message);
        free(view->containers[i].message_before);
        free(view->containers[i].waiting_message);
    }
    free(view->containers);
    *view = (struct pod_view){0};
}

static const char *restart_policy(const struct pod_view *view)
{
    return obj_str(view->pod, "spec.restartPolicy", "Always");
}

static bool will_run_again(const struct pod_view *view, const struct pod_container *c)
{
    const char *policy = restart_policy(view);

    if (c->state.phase != CONTAINER_OVER)
        return true;
    if (str_eq(policy, "Never") || (c->is_init && c->state.exit_code == 0))
        return false;
    return str_eq(policy, "Always") || c->state.exit_code != 0;
}

/* When a container that ended may start again. */
static int64_t due_ms(const struct pod_container *c)
{
    int64_t delay = RESTART_MIN_MS;

    for (int i = 0; i < c->run && i < RESTART_DOUBLINGS; i++)
        delay *= 2;
    return c->state.finished_ms + (delay > RESTART_MAX_MS ? RESTART_MAX_MS : delay);
}

/* True if C can be started now; else notes in PLAN when. */
static bool is_due(const struct pod_view *view, const struct pod_container *c, struct pod_plan *plan)
{
    if (c->state.phase == CONTAINER_ABSENT || due_ms(c) <= view->now_ms)
        return true;
    if (plan->next_ms == 0 || due_ms(c) < plan->next_ms)
        plan->next_ms = due_ms(c);
    return false;
}

struct pod_plan pod_plan_next(const struct pod_view *view)
{
    struct pod_plan plan = {.next = POD_OVER};

    for (size_t i = 0; i < view->count; i++) {
        const struct pod_container *c = &view->containers[i];

        if (!will_run_again(view, c)) {
            if (c->is_init && c->state.exit_code != 0)
                return (struct pod_plan){.next = POD_OVER};
            continue;
        }
        plan.next = POD_NOTHING;
        if (c->state.phase != CONTAINER_RUNNING && is_due(view, c, &plan))
            return (struct pod_plan){.next = POD_START, .index = i};
        if (c->is_init)
            return plan;
    }
    return plan;
}

static char *container_id(const struct pod_view *view, const struct pod_container *c, int run)
{
    return xasprintf("gantry://%s/%s/%d", meta_uid(view->pod), obj_str(c->spec, "name", ""), run);
}

static json_t *terminated(const struct pod_view *view, const struct pod_container *c,
                          const struct container_state *state, const char *message, int run)
{
    CLEANUP(str) char *id = container_id(view, c, run);
    json_t *out =
        obj_pack("{s:{s:i,s:s,s:o,s:o,s:s}}", "terminated", "exitCode", state->exit_code, "reason",
                 state->reason, "startedAt", agent_time(state->started_ms), "finishedAt",
                 agent_time(state->finished_ms), "containerID", id);

    obj_put_str(out, "terminated.message", message);
    if (state->exit_code > 128)
        obj_put_int(out, "terminated.signal", state->exit_code - 128);
    return out;
}

static json_t *waiting(const char *reason, const char *message)
{
    json_t *out = obj_pack("{s:{s:s}}", "waiting", "reason", reason);

    obj_put_str(out, "waiting.message", message);
    return out;
}

static json_t *current_state(const struct pod_view *view, const struct pod_container *c)
{
    if (c->waiting_reason != NULL)
        return waiting(c->waiting_reason, c->waiting_message);
    if (c->state.phase == CONTAINER_ABSENT)
        return waiting(c->is_init ? "ContainerCreating" : "PodInitializing", NULL);
    if (c->state.phase == CONTAINER_RUNNING)
        return obj_pack("{s:{s:o}}", "running", "startedAt", agent_time(c->state.started_ms));
    if (will_run_again(view, c) && due_ms(c) > view->now_ms && c->run > 0)
        return waiting("CrashLoopBackOff", "waits before it is started again");
    return terminated(view, c, &c->state, c->message, c->run);
}

static json_t *container_status(const struct pod_view *view, const struct pod_container *c)
{
    bool running = c->state.phase == CONTAINER_RUNNING;
    const char *image = obj_str(c->spec, "image", "");
    bool done = c->is_init && c->state.phase == CONTAINER_OVER && c->state.exit_code == 0;
    json_t *state = current_state(view, c);
    json_t *out = obj_pack("{s:s,s:s,s:s,s:b,s:b,s:i}", "name", obj_str(c->spec, "name", ""),
                           "image", image, "imageID", image, "ready", done || (running && !c->is_init),
                           "started", running, "restartCount", c->run > 0 ? c->run : 0);

    if (c->run >= 0) {
        CLEANUP(str) char *id = container_id(view, c, c->run);

        obj_put_str(out, "containerID", id);
    }
    obj_take(out, "state", state);
    if (c->run > 0 && c->before.phase == CONTAINER_OVER)
        obj_take(out, "lastState", terminated(view, c, &c->before, c->message_before, c->run - 1));
    else if (obj_at(state, "waiting.reason") != NULL && c->state.phase == CONTAINER_OVER)
        obj_take(out, "lastState", terminated(view, c, &c->state, c->message, c->run));
    return out;
}

struct tally {
    size_t running, started, succeeded, over, mains, init_done, inits;
};

static struct tally count_up(const struct pod_view *view)
{
    struct tally t = {0};

    for (size_t i = 0; i < view->count; i++) {
        const struct pod_container *c = &view->containers[i];
        bool over = c->state.phase == CONTAINER_OVER;

        if (c->is_init) {
            t.inits++;
            t.init_done += over && c->state.exit_code == 0;
            continue;
        }
        t.mains++;
        t.running += c->state.phase == CONTAINER_RUNNING;
        t.started += c->state.phase != CONTAINER_ABSENT;
        t.over += over;
        t.succeeded += over && c->state.exit_code == 0;
    }
    return t;
}

static const char *phase_of(const struct pod_view *view, const struct tally *t, const char *reason)
{
    if (reason != NULL)
        return "Failed";
    if (pod_plan_next(view).next == POD_OVER)
        return t->succeeded == t->mains && t->init_done == t->inits ? "Succeeded" : "Failed";
    return t->mains > 0 && t->started == t->mains ? "Running" : "Pending";
}

static void add_conditions(json_t *status, const struct pod_view *view, const struct tally *t,
                           const char *phase)
{
    const json_t *old = obj_obj(view->pod, "status");
    bool over = str_eq(phase, "Succeeded") || str_eq(phase, "Failed");
    bool ready = !over && t->mains > 0 && t->running == t->mains;
    const char *reason = ready  ? NULL
                         : over ? (str_eq(phase, "Succeeded") ? "PodCompleted" : "PodFailed")
                                : "ContainersNotReady";

    obj_take(status, "conditions", json_array());
    agent_set_condition(status, old, "PodScheduled", true, NULL, NULL);
    agent_set_condition(status, old, "Initialized", t->init_done == t->inits,
                        t->init_done == t->inits ? NULL : "ContainersNotInitialized", NULL);
    agent_set_condition(status, old, "ContainersReady", ready, reason, NULL);
    agent_set_condition(status, old, "Ready", ready, reason, NULL);
}

static const char *quality_of(const json_t *pod)
{
    const json_t *container;
    size_t i;

    json_array_foreach(obj_arr(pod, "spec.containers"), i, container)
        if (json_object_size(obj_obj(container, "resources.requests")) > 0 ||
            json_object_size(obj_obj(container, "resources.limits")) > 0)
            return "Burstable";
    return "BestEffort";
}

json_t *pod_status_make(const struct pod_view *view, const char *reason, const char *message)
{
    struct tally t = count_up(view);
    const char *phase = phase_of(view, &t, reason);
    const char *started = obj_str(view->pod, "status.startTime", NULL);
    json_t *status =
        obj_pack("{s:s,s:s,s:s,s:[{s:s}],s:[{s:s}],s:s}", "phase", phase, "hostIP", "127.0.0.1",
                 "podIP", "127.0.0.1", "hostIPs", "ip", "127.0.0.1", "podIPs", "ip", "127.0.0.1",
                 "qosClass", quality_of(view->pod));

    obj_put_str(status, "reason", reason);
    obj_put_str(status, "message", message);
    if (started != NULL)
        obj_put_str(status, "startTime", started);
    else
        obj_take(status, "startTime", agent_time(view->now_ms));
    add_conditions(status, view, &t, phase);
    for (size_t i = 0; i < view->count; i++)
        obj_take(status,
                 view->containers[i].is_init ? "initContainerStatuses[]" : "containerStatuses[]",
                 container_status(view, &view->containers[i]));
    return status;
}
