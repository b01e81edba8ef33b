#include "move/vm/pods.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/time.h"
#include "data/obj.h"
#include "kube/kinds.h"
#include "kube/meta.h"
#include "move/vm/labels.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
    TAIL_LINES = 8,
    TAIL_BYTES = 64 * 1024,
    START_TIMEOUT_MS = 10 * 60 * 1000, /* for a pod to begin */
    IMAGE_TIMEOUT_MS = 60 * 1000,      /* the same where its image cannot be had */
    SIGNAL_BASE = 128,                 /* exit codes above are signals */
};

void pod_outcome_reset(struct pod_outcome *outcome)
{
    json_decref(outcome->report);
    free(outcome->message);
    free(outcome->hint);
    memset(outcome, 0, sizeof(*outcome));
}

int pods_list(struct vm_run *run, const char *app, json_t **pods, struct error **err)
{
    CLEANUP(str) char *more = xasprintf("forklift.app=%s", app);
    CLEANUP(str) char *selector =
        labels_selector(run->view->plan, run->migration, vm_run_id(run), more);

    if (kube_list(run->view->room->client, &KIND_POD, vm_run_target_ns(run),
                  &(struct kube_list_options){.label_selector = selector}, pods, err) == -1)
        return error_wrap(err, "cannot look for the VM's pods");
    return 0;
}

json_t *pod_manifest(struct vm_run *run, const char *app, const char *prefix, const char *name,
                     const char *image, json_t *args, int64_t deadline_s)
{
    const char *account = plan_view_service_account(run->view);
    json_t *pod = meta_new_generated(&KIND_POD, vm_run_target_ns(run), prefix);
    json_t *labels = labels_new(run->view->plan, run->migration, vm_run_id(run));

    json_object_set_new(labels, "forklift.app", json_string(app));
    obj_take(pod, "metadata.labels", labels);
    obj_take(pod, "spec",
             obj_pack("{s:s, s:I, s:[{s:s, s:s, s:o}]}", "restartPolicy", "Never",
                      "activeDeadlineSeconds", (json_int_t)deadline_s, "containers", "name", name,
                      "image", image, "args", args));
    if (!str_is_empty(account))
        obj_put_str(pod, "spec.serviceAccountName", account);
    return pod;
}

/* LINE as an object, or NULL. */
static json_t *parse_line(struct span line)
{
    CLEANUP(error) struct error *ignored = NULL; /* lines for people are no reports */
    json_t *report = line.len > 0 && line.ptr[0] == '{' ? obj_parse(line.ptr, line.len, &ignored)
                                                        : NULL;

    if (json_is_object(report))
        return report;
    json_decref(report);
    return NULL;
}

/* The last of the log's lines that is an object, or NULL: behind it may be lines for people, the
 * last of which *RAW gets. */
static json_t *read_report(struct vm_run *run, const json_t *pod, char **raw)
{
    CLEANUP(error) struct error *ignored = NULL; /* a log may not be there yet, or any more */
    CLEANUP(str) char *text = NULL;
    struct span rest, line;
    json_t *report = NULL;

    if (kube_pod_log(run->view->room->client, meta_ns(pod), meta_name(pod), NULL, TAIL_LINES,
                     TAIL_BYTES, &text, &ignored) == -1 ||
        text == NULL)
        return NULL;
    rest = span_of(text);
    while (span_split(&rest, '\n', &line)) {
        line = span_trim(line);
        json_t *found = parse_line(line);
        if (found != NULL) {
            json_decref(report);
            report = found;
        } else if (line.len > 0 && utf8_is_valid(line.ptr, line.len)) {
            free(*raw);
            *raw = span_dup(line);
        }
    }
    return report;
}

/* The container that the pod is at: one that goes before, until all of these have done their work. */
static const json_t *current_container(const json_t *pod)
{
    const json_t *before = obj_arr(pod, "status.initContainerStatuses");

    for (size_t i = 0; i < json_array_size(before); i++)
        if (obj_int(json_array_get(before, i), "state.terminated.exitCode", -1) != 0)
            return json_array_get(before, i);
    return obj_obj(pod, "status.containerStatuses[0]");
}

static void look_at_waiting(const json_t *pod, struct pod_outcome *outcome)
{
    const json_t *container = current_container(pod);
    const char *reason = obj_str(container, "state.waiting.reason", NULL);
    const char *message = obj_str(container, "state.waiting.message", NULL);

    if (message == NULL)
        message = obj_str(pod, "status.message", NULL);
    outcome->message = xasprintf("pod \"%s\" has not begun: %s", meta_name(pod),
                                 message != NULL  ? message
                                 : reason != NULL ? reason
                                                  : "no machine runs it");
    bool image = str_eq(reason, "ErrImagePull") || str_eq(reason, "ImagePullBackOff");
    if (str_eq(reason, "ErrImageNeverPull") || str_eq(reason, "InvalidImageName") ||
        time_now_ms() - meta_created_ms(pod) > (image ? IMAGE_TIMEOUT_MS : START_TIMEOUT_MS)) {
        outcome->state = POD_FAILED;
        outcome->hint = xasprintf("kubectl describe pod -n %s %s", meta_ns(pod), meta_name(pod));
    }
}

static void look_at_failure(const json_t *pod, const char *raw, struct pod_outcome *outcome)
{
    const json_t *ended = obj_obj(current_container(pod), "state.terminated");
    const char *error = obj_str(outcome->report, "error", NULL);
    const char *hint = obj_str(outcome->report, "hint", NULL);
    const char *reason = obj_str(pod, "status.reason", obj_str(ended, "reason", ""));
    int64_t code = obj_int(ended, "exitCode", -1);

    if (error != NULL) {
        outcome->message = xstrdup(error);
        outcome->hint = hint != NULL ? xstrdup(hint) : NULL;
        return;
    }
    if (str_eq(reason, "DeadlineExceeded"))
        outcome->message = xasprintf("pod \"%s\" did not end in time", meta_name(pod));
    else if (obj_str(pod, "status.message", NULL) != NULL)
        outcome->message = xasprintf("pod \"%s\" failed: %s", meta_name(pod),
                                     obj_str(pod, "status.message", ""));
    else if (raw != NULL && code > 0 && code < SIGNAL_BASE)
        outcome->message = xasprintf("pod \"%s\" ended with exit code %" PRId64 ": %s",
                                     meta_name(pod), code, raw);
    else
        outcome->message =
            xasprintf("pod \"%s\" ended with exit code %" PRId64, meta_name(pod), code);
    /* Killed, or lost with its machine: nothing says that the disk is bad. */
    outcome->may_pass = (code > SIGNAL_BASE || code < 0) && !str_eq(reason, "DeadlineExceeded");
}

int pod_look(struct vm_run *run, const json_t *pod, struct pod_outcome *outcome,
             struct error **err)
{
    const char *phase = obj_str(pod, "status.phase", "Pending");
    CLEANUP(str) char *raw = NULL;

    memset(outcome, 0, sizeof(*outcome));
    if (str_eq(phase, "Pending")) {
        look_at_waiting(pod, outcome);
        return 0;
    }
    outcome->report = read_report(run, pod, &raw);
    if (str_eq(phase, "Succeeded")) {
        outcome->state = POD_SUCCEEDED;
    } else if (str_eq(phase, "Failed")) {
        outcome->state = POD_FAILED;
        look_at_failure(pod, raw, outcome);
    } else {
        outcome->state = POD_RUNNING;
    }
    return 0;
}
