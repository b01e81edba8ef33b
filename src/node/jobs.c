/* Pods of a Job have names that follow from the Job's uid and their number: a controller that has
 * not seen its last creation yet makes the same name again and is told that it exists. */
#define LOG_COMPONENT "node"

#include "node/jobs.h"

#include "base/error.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/time.h"
#include "data/obj.h"
#include "kube/controller.h"
#include "kube/kinds.h"
#include "kube/meta.h"
#include "node/agent.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
    WORKERS = 2,
    RETRY_MIN_MS = 1000, /* before the Pod after a failed one, doubled each time */
    RETRY_MAX_MS = 360 * 1000,
    RETRY_DOUBLINGS = 9,
    NAME_MAX_PREFIX = 57,
};

#define LABEL_UID "batch.kubernetes.io/controller-uid"
#define LABEL_NAME "batch.kubernetes.io/job-name"
#define LABEL_OLD_UID "controller-uid"
#define LABEL_OLD_NAME "job-name"

struct jobs {
    struct agent *agent;
    struct controller *controller;
};

/* The Job's Pods, counted. */
struct tally {
    json_t *pods; /* owned */
    int64_t active, ready, succeeded, failed, terminating;
    int64_t made;            /* Pods seen, whatever became of them */
    int64_t restarts;        /* of containers in Pods that restart themselves */
    int64_t last_failure_ms;
};

/* How a Job ended, if it did. */
struct verdict {
    const char *type; /* Complete or Failed, NULL: goes on */
    const char *reason, *message;
};

static int64_t end_of(const json_t *pod)
{
    const json_t *status;
    int64_t last = 0;
    size_t i;

    json_array_foreach(obj_arr(pod, "status.containerStatuses"), i, status)
    {
        int64_t ms = agent_time_ms(status, "state.terminated.finishedAt");

        if (ms > last)
            last = ms;
    }
    return last > 0 ? last : meta_created_ms(pod);
}

static void count_restarts(const json_t *pod, struct tally *t)
{
    const json_t *status;
    size_t i;

    json_array_foreach(obj_arr(pod, "status.containerStatuses"), i, status)
        t->restarts += obj_int(status, "restartCount", 0);
}

static void count_pods(struct agent *agent, const json_t *job, struct tally *t)
{
    CLEANUP(str) char *selector = xasprintf(LABEL_UID "=%s", meta_uid(job));
    const json_t *pod;
    size_t i;

    *t = (struct tally){.pods = kube_cache_list(agent->pods, meta_ns(job), selector)};
    json_array_foreach(t->pods, i, pod)
    {
        const char *phase = obj_str(pod, "status.phase", "Pending");

        t->made++;
        count_restarts(pod, t);
        if (str_eq(phase, "Succeeded")) {
            t->succeeded++;
        } else if (str_eq(phase, "Failed")) {
            t->failed++;
            if (end_of(pod) > t->last_failure_ms)
                t->last_failure_ms = end_of(pod);
        } else if (meta_is_deleting(pod)) {
            t->terminating++;
        } else {
            t->active++;
            t->ready += str_eq(phase, "Running");
        }
    }
    /* Pods may have been deleted since they were counted. */
    int64_t succeeded = obj_int(job, "status.succeeded", 0), failed = obj_int(job, "status.failed", 0);
    if (succeeded > t->succeeded)
        t->succeeded = succeeded;
    if (failed > t->failed)
        t->failed = failed;
}

static const char *finished_type(const json_t *job)
{
    const json_t *condition;
    size_t i;

    json_array_foreach(obj_arr(job, "status.conditions"), i, condition)
    {
        const char *type = obj_str(condition, "type", "");

        if ((str_eq(type, "Complete") || str_eq(type, "Failed")) &&
            str_eq(obj_str(condition, "status", ""), "True"))
            return type;
    }
    return NULL;
}

static int64_t deadline_left_of(const json_t *job, int64_t now_ms)
{
    int64_t seconds = obj_int(job, "spec.activeDeadlineSeconds", -1);
    int64_t started = agent_time_ms(job, "status.startTime");

    return seconds < 0 || started == 0 ? INT64_MAX : started + seconds * 1000 - now_ms;
}

static struct verdict judge(const json_t *job, const struct tally *t, int64_t now_ms)
{
    int64_t completions = obj_int(job, "spec.completions", 1);
    int64_t limit = obj_int(job, "spec.backoffLimit", 6);

    if (t->succeeded >= completions)
        return (struct verdict){"Complete", "CompletionsReached",
                                "Reached expected number of succeeded pods"};
    if (t->failed > limit || (t->restarts > limit && limit >= 0 && t->restarts > 0))
        return (struct verdict){"Failed", "BackoffLimitExceeded",
                                "Job has reached the specified backoff limit"};
    if (deadline_left_of(job, now_ms) <= 0)
        return (struct verdict){"Failed", "DeadlineExceeded",
                                "Job was active longer than specified deadline"};
    return (struct verdict){0};
}

static char *pod_name(const json_t *job, int64_t number)
{
    static const char letters[] = "bcdfghjklmnpqrstvwxz2456789";
    uint64_t hash = 0xcbf29ce484222325;
    char suffix[6] = "";

    for (const char *p = meta_uid(job); *p != '\0'; p++)
        hash = (hash ^ (unsigned char)*p) * 0x100000001b3;
    hash = (hash ^ (uint64_t)number) * 0x100000001b3;
    for (int i = 0; i < 5; i++, hash /= sizeof(letters) - 1)
        suffix[i] = letters[hash % (sizeof(letters) - 1)];
    return xasprintf("%.*s-%s", NAME_MAX_PREFIX, meta_name(job), suffix);
}

static json_t *new_pod(const json_t *job, int64_t number)
{
    CLEANUP(str) char *name = pod_name(job, number);
    json_t *pod = meta_new(&KIND_POD, meta_ns(job), name);
    const json_t *template = obj_obj(job, "spec.template");
    static const char *const copied[] = {"labels", "annotations"};

    for (size_t i = 0; i < 2; i++) {
        CLEANUP(str) char *path = xasprintf("metadata.%s", copied[i]);

        if (obj_obj(template, path) != NULL)
            obj_take(pod, path, obj_copy(obj_obj(template, path)));
    }
    obj_take(pod, "spec", obj_copy(obj_obj(template, "spec")));
    meta_set_label(pod, LABEL_UID, meta_uid(job));
    meta_set_label(pod, LABEL_NAME, meta_name(job));
    meta_set_label(pod, LABEL_OLD_UID, meta_uid(job));
    meta_set_label(pod, LABEL_OLD_NAME, meta_name(job));
    meta_add_owner(pod, &KIND_JOB, job, true);
    return pod;
}

static int create_pods(struct jobs *jobs, const json_t *job, struct tally *t, struct error **err)
{
    int64_t want = obj_int(job, "spec.completions", 1) - t->succeeded;
    int64_t parallel = obj_int(job, "spec.parallelism", 1);

    if (want > parallel)
        want = parallel;
    while (t->active + t->terminating < want) {
        json_auto_t *pod = new_pod(job, t->made);

        if (fault("node.create-pod"))
            return error_set(err, ERROR_UNAVAILABLE, "cannot create a pod");
        if (kube_create(jobs->agent->client, &KIND_POD, meta_ns(job), pod, NULL, err) == 0)
            agent_event(jobs->agent, &KIND_JOB, job, false, "SuccessfulCreate", "Created pod: %s",
                        meta_name(pod));
        else if ((*err)->code != ERROR_EXISTS)
            return error_wrap(err, "pod of job \"%s\"", meta_name(job));
        else
            error_clear(err);
        t->made++;
        t->active++;
    }
    return 0;
}

static int delete_active(struct jobs *jobs, const struct tally *t, struct error **err)
{
    const json_t *pod;
    size_t i;

    json_array_foreach(t->pods, i, pod)
    {
        const char *phase = obj_str(pod, "status.phase", "");

        if (str_eq(phase, "Succeeded") || str_eq(phase, "Failed") || meta_is_deleting(pod))
            continue;
        if (kube_delete(jobs->agent->client, &KIND_POD, meta_ns(pod), meta_name(pod), meta_uid(pod),
                        KUBE_DELETE_BACKGROUND, err) == -1)
            return -1;
    }
    return 0;
}

static int write_status(struct jobs *jobs, const json_t *job, const struct tally *t,
                        const struct verdict *verdict, struct error **err)
{
    const json_t *old = obj_obj(job, "status");
    bool suspended = obj_bool(job, "spec.suspend", false);
    int64_t now = time_now_ms();
    json_auto_t *status =
        obj_pack("{s:I,s:I,s:I,s:I,s:I}", "active",
                 (json_int_t)(verdict->type == NULL ? t->active : 0), "ready",
                 (json_int_t)(verdict->type == NULL ? t->ready : 0), "succeeded",
                 (json_int_t)t->succeeded, "failed", (json_int_t)t->failed, "terminating",
                 (json_int_t)t->terminating);

    if (obj_str(old, "startTime", NULL) == NULL && !suspended)
        obj_take(status, "startTime", agent_time(now));
    if (verdict->type != NULL) {
        bool complete = str_eq(verdict->type, "Complete");

        agent_set_condition(status, old, complete ? "SuccessCriteriaMet" : "FailureTarget", true,
                            verdict->reason, verdict->message);
        agent_set_condition(status, old, verdict->type, true, verdict->reason, verdict->message);
        if (complete)
            obj_take(status, "completionTime", agent_time(now));
        agent_event(jobs->agent, &KIND_JOB, job, !complete,
                    complete ? "Completed" : verdict->reason, "%s",
                    complete ? "Job completed" : verdict->message);
    } else if (suspended || obj_count(old, "conditions") > 0) {
        agent_set_condition(status, old, "Suspended", suspended,
                            suspended ? "JobSuspended" : "JobResumed",
                            suspended ? "Job suspended" : "Job resumed");
    }
    return agent_patch_status(jobs->agent, &KIND_JOB, job, status, err);
}

/* Removes a finished Job whose time is over. */
static int expire(struct jobs *jobs, const json_t *job, struct reconcile_result *result,
                  struct error **err)
{
    int64_t seconds = obj_int(job, "spec.ttlSecondsAfterFinished", -1), ended = 0;
    const json_t *condition;
    size_t i;

    if (seconds < 0)
        return 0;
    json_array_foreach(obj_arr(job, "status.conditions"), i, condition)
    {
        int64_t ms = agent_time_ms(condition, "lastTransitionTime");

        if (ms > ended)
            ended = ms;
    }
    int64_t left = ended + seconds * 1000 - time_now_ms();
    if (left > 0) {
        result->again_after_ms = left;
        return 0;
    }
    return kube_delete(jobs->agent->client, &KIND_JOB, meta_ns(job), meta_name(job), meta_uid(job),
                       KUBE_DELETE_BACKGROUND, err);
}

static int64_t retry_left_ms(const struct tally *t, int64_t now_ms)
{
    int64_t delay = RETRY_MIN_MS;

    if (t->failed == 0)
        return 0;
    for (int64_t i = 1; i < t->failed && i < RETRY_DOUBLINGS; i++)
        delay *= 2;
    return t->last_failure_ms + (delay > RETRY_MAX_MS ? RETRY_MAX_MS : delay) - now_ms;
}

static int run_job(struct jobs *jobs, const json_t *job, struct tally *t,
                   struct reconcile_result *result, struct error **err)
{
    int64_t now = time_now_ms(), retry = retry_left_ms(t, now), left = deadline_left_of(job, now);
    struct verdict verdict = judge(job, t, now);
    bool suspended = obj_bool(job, "spec.suspend", false);

    if (verdict.type != NULL || suspended) {
        if (delete_active(jobs, t, err) == -1)
            return -1;
        if (suspended && verdict.type == NULL)
            t->active = t->ready = 0;
    } else if (retry > 0) {
        result->again_after_ms = retry;
    } else if (create_pods(jobs, job, t, err) == -1) {
        return -1;
    }
    if (left != INT64_MAX && left > 0 && (retry <= 0 || left < retry))
        result->again_after_ms = left;
    return write_status(jobs, job, t, &verdict, err);
}

static int reconcile(void *arg, const char *ns, const char *name, struct cancel *cancel,
                     struct reconcile_result *result, struct error **err)
{
    struct jobs *jobs = arg;
    json_auto_t *job = kube_cache_get(jobs->agent->jobs, ns, name);
    struct tally t;

    if (job == NULL || meta_is_deleting(job))
        return 0; /* its Pods go with it: they are owned */
    if (finished_type(job) != NULL)
        return expire(jobs, job, result, err);
    count_pods(jobs->agent, job, &t);
    int done = run_job(jobs, job, &t, result, err);
    json_decref(t.pods);
    return done;
}

static void add_job_of(struct controller *controller, const json_t *pod, void *arg)
{
    const json_t *owner = meta_controller_of(pod);

    if (owner != NULL && str_eq(obj_str(owner, "kind", ""), "Job"))
        controller_add(controller, meta_ns(pod), obj_str(owner, "name", ""));
}

int jobs_start(struct agent *agent, struct jobs **out, struct error **err)
{
    CLEANUP(jobs) struct jobs *jobs = xcalloc(1, sizeof(*jobs));
    struct controller_spec spec = {
        .name = "jobs", .workers = WORKERS, .reconcile = reconcile, .arg = jobs};

    jobs->agent = agent;
    jobs->controller = controller_new(&spec);
    controller_watch(jobs->controller, agent->jobs);
    controller_watch_map(jobs->controller, agent->pods, add_job_of, NULL);
    if (controller_start(jobs->controller, err) == -1)
        return -1;
    *out = steal(&jobs);
    return 0;
}

void jobs_stop(struct jobs *jobs)
{
    if (jobs == NULL)
        return;
    controller_free(jobs->controller);
    free(jobs);
}
