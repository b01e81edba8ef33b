#include "hook/job_result.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/time.h"
#include "data/obj.h"
#include "kube/client.h"
#include "kube/kinds.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Keeps printable UTF-8: a playbook may print anything, JSON holds only text. */
static char *clean_text(char *text)
{
    if (utf8_is_valid(text, strlen(text)))
        return text;
    for (char *c = text; *c != '\0'; c++)
        if ((unsigned char)*c >= 0x80)
            *c = '?';
    return text;
}

enum { LINE_SHOWN = 300 };

/* The line that tells most: Ansible's last failure, else the last that is not empty.  Owned by the
 * caller, NULL if there is none. */
static char *telling_line(const char *output)
{
    struct span rest = span_of(output), line, last = {0}, failure = {0};

    while (span_split(&rest, '\n', &line)) {
        line = span_trim(line);
        if (line.len == 0)
            continue;
        last = line;
        if (span_starts_with(line, "fatal:") || span_starts_with(line, "ERROR!"))
            failure = line;
    }
    struct span found = failure.len > 0 ? failure : last;
    if (found.len > LINE_SHOWN) {
        found.len = LINE_SHOWN;
        while (found.len > 0 && !utf8_is_valid(found.ptr, found.len))
            found.len--;
    }
    return found.len > 0 ? span_dup(found) : NULL;
}

static const json_t *find_condition(const json_t *job, const char *type)
{
    const json_t *list = obj_arr(job, "status.conditions");

    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *condition = json_array_get(list, i);
        if (str_eq(obj_str(condition, "type", NULL), type) &&
            str_eq(obj_str(condition, "status", NULL), "True"))
            return condition;
    }
    return NULL;
}

/* The newest pod of JOB, or NULL. */
static int find_pod(struct kube_client *client, const json_t *job, json_t **out,
                    struct error **err)
{
    CLEANUP(str) char *selector =
        xasprintf("job-name=%s", obj_str(job, "metadata.name", ""));
    json_auto_t *pods = NULL;
    const json_t *newest = NULL;

    if (kube_list(client, &KIND_POD, obj_str(job, "metadata.namespace", ""),
                  &(struct kube_list_options){.label_selector = selector}, &pods, err) == -1)
        return -1;
    for (size_t i = 0; i < json_array_size(pods); i++) {
        const json_t *pod = json_array_get(pods, i);
        if (newest == NULL || strcmp(obj_str(pod, "metadata.creationTimestamp", ""),
                                     obj_str(newest, "metadata.creationTimestamp", "")) >= 0)
            newest = pod;
    }
    *out = json_incref((json_t *)(uintptr_t)newest);
    return 0;
}

static void put_text(char **to, const char *text)
{
    free(*to);
    *to = text != NULL ? xstrdup(text) : NULL;
}

/* Output, times and exit code.  A log that cannot be had is no failure of the hook. */
static void read_pod(struct kube_client *client, const json_t *pod, struct hook_outcome *outcome)
{
    const json_t *ended = obj_obj(pod, "status.containerStatuses[0].state.terminated");
    const char *pod_start = obj_str(pod, "status.startTime", NULL);
    CLEANUP(error) struct error *ignored = NULL;

    if (pod_start != NULL && outcome->started == NULL)
        put_text(&outcome->started, pod_start);
    if (ended != NULL) {
        outcome->has_exit_code = true;
        outcome->exit_code = obj_int(ended, "exitCode", 0);
        if (obj_str(ended, "finishedAt", NULL) != NULL)
            put_text(&outcome->completed, obj_str(ended, "finishedAt", NULL));
    }
    char *output = NULL;
    if (kube_pod_log(client, obj_str(pod, "metadata.namespace", ""),
                     obj_str(pod, "metadata.name", ""), NULL, HOOK_OUTPUT_LINES, HOOK_OUTPUT_BYTES,
                     &output, &ignored) == 0 &&
        output != NULL)
        outcome->output = clean_text(output);
    else
        free(output);
}

static void describe_failure(const struct hook_call *call, const json_t *failed,
                             const json_t *pod, struct hook_outcome *outcome)
{
    const char *name = obj_str(call->hook, "metadata.name", "");
    bool late = str_eq(obj_str(failed, "reason", NULL), "DeadlineExceeded") ||
                str_eq(obj_str(pod, "status.reason", NULL), "DeadlineExceeded");
    CLEANUP(str) char *line = telling_line(outcome->output != NULL ? outcome->output : "");

    outcome->state = HOOK_FAILED;
    if (late) {
        int64_t deadline = obj_int(call->hook, "spec.deadline", 0);
        outcome->message =
            xasprintf("hook \"%s\" did not end within its deadline of %" PRId64 " s", name,
                      deadline > 0 ? deadline : HOOK_RUN_TIMEOUT_S);
        outcome->hint = xstrdup("raise spec.deadline of the hook, or make its playbook faster");
    } else if (outcome->has_exit_code) {
        outcome->message = xasprintf("hook \"%s\" ended with exit code %" PRId64 "%s%s", name,
                                     outcome->exit_code, line != NULL ? ": " : "",
                                     line != NULL ? line : "");
    } else {
        const char *why = obj_str(pod, "status.message", obj_str(failed, "message", NULL));
        outcome->message = xasprintf("hook \"%s\" failed: %s", name,
                                     why != NULL ? why : "its job gives no reason");
    }
    if (outcome->hint == NULL)
        outcome->hint = xasprintf("kubectl logs -n %s job/%s shows the whole output",
                                  obj_str(call->plan, "metadata.namespace", ""), outcome->job);
}

/* A pod that does not begin: failed at once where waiting cannot help, else after the deadline. */
static void look_at_waiting(const struct hook_call *call, const json_t *job, const json_t *pod,
                            struct hook_outcome *outcome)
{
    const char *reason =
        obj_str(pod, "status.containerStatuses[0].state.waiting.reason", NULL);
    const char *message =
        obj_str(pod, "status.containerStatuses[0].state.waiting.message", NULL);
    const char *name = obj_str(call->hook, "metadata.name", "");
    CLEANUP(error) struct error *ignored = NULL;
    int64_t created = time_now_ms();
    bool image = reason != NULL && (str_eq(reason, "ErrImageNeverPull") ||
                                    str_eq(reason, "ErrImagePull") ||
                                    str_eq(reason, "ImagePullBackOff") ||
                                    str_eq(reason, "InvalidImageName"));

    outcome->state = HOOK_WAITING;
    if (time_parse(obj_str(job, "metadata.creationTimestamp", ""), &created, &ignored) == -1)
        error_clear(&ignored);
    if (str_eq(reason, "ErrImageNeverPull") || str_eq(reason, "InvalidImageName") ||
        time_now_ms() - created > (image ? HOOK_IMAGE_TIMEOUT_MS : HOOK_START_TIMEOUT_MS)) {
        outcome->state = HOOK_FAILED;
        outcome->hint = xstrdup(image ? "correct spec.image of the hook"
                                      : "see the events of the hook's job and pod");
    }
    if (image)
        outcome->message =
            xasprintf("image \"%s\" of hook \"%s\" cannot be had%s%s",
                      obj_str(call->hook, "spec.image", HOOK_DEFAULT_IMAGE), name,
                      message != NULL ? ": " : "", message != NULL ? message : "");
    else
        outcome->message = xasprintf("hook \"%s\" has not begun: %s", name,
                                     message != NULL  ? message
                                     : reason != NULL ? reason
                                                      : "no machine runs its pod");
}

int hook_job_result(struct kube_client *client, const json_t *job, const struct hook_call *call,
                    struct hook_outcome *outcome, struct error **err)
{
    const json_t *failed = find_condition(job, "Failed");
    json_auto_t *pod = NULL;

    put_text(&outcome->job, obj_str(job, "metadata.name", ""));
    put_text(&outcome->started, obj_str(job, "status.startTime", NULL));
    put_text(&outcome->completed, obj_str(job, "status.completionTime", NULL));
    if (find_pod(client, job, &pod, err) == -1)
        return -1;
    if (pod != NULL && !str_eq(obj_str(pod, "status.phase", "Pending"), "Pending"))
        read_pod(client, pod, outcome);

    if (failed != NULL)
        describe_failure(call, failed, pod, outcome);
    else if (obj_int(job, "status.succeeded", 0) > 0 || find_condition(job, "Complete") != NULL)
        outcome->state = HOOK_SUCCEEDED;
    else if (pod == NULL || str_eq(obj_str(pod, "status.phase", "Pending"), "Pending"))
        look_at_waiting(call, job, pod, outcome);
    else
        outcome->state = HOOK_RUNNING;
    return 0;
}
