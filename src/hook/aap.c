#include "hook/aap.h"

#include "base/array.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/secret.h"
#include "base/text.h"
#include "data/obj.h"
#include "kube/meta.h"
#include "net/http_client.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
    HTTP_TIMEOUT_MS = 30 * 1000,
    ANSWER_MAX = 16 * 1024 * 1024,
    DEFAULT_LIMIT_S = 3600,
    RECENT_JOBS = 50, /* looked through for one that we started */
};

#define DEFAULT_PREFIX "/api/controller/v2"
#define MARK "gantry_run" /* the extra variable that says whose run a job is */

struct session {
    const struct hook_aap *aap;
    struct http_client *client;
    struct cancel *cancel;
    char *prefix; /* https://host/api/controller/v2 */
};

static void session_reset(struct session *session)
{
    if (session->client != NULL)
        http_client_free(session->client);
    free(session->prefix);
}
DEFINE_CLEANUP_IN_PLACE(session, struct session, session_reset)

/* One exchange; *OUT gets the answer's object, or with RAW the text. */
static int ask(struct session *session, const char *method, const char *url, const json_t *body,
               json_t **out, char **raw, struct error **err)
{
    static const char *const headers[] = {"Content-Type: application/json",
                                          "Accept: application/json, text/plain", NULL};
    CLEANUP(str) char *text = body != NULL ? obj_format(body) : NULL;
    CLEANUP(http_reply) struct http_reply reply = {0};
    int64_t timeout_ms = session->aap->http_timeout_ms;
    const struct http_call call = {
        .method = method,
        .url = url,
        .headers = headers,
        .body = text,
        .body_len = text != NULL ? strlen(text) : 0,
        .timeout_ms = timeout_ms > 0 ? timeout_ms : HTTP_TIMEOUT_MS,
        .max_body = ANSWER_MAX,
        .cancel = session->cancel,
    };

    if (http_client_send(session->client, &call, &reply, err) == -1 ||
        http_reply_check(&reply, err) == -1)
        return error_wrap(err, "automation controller \"%s\"", session->aap->url);
    if (raw != NULL) {
        *raw = xstrndup(reply.body, reply.body_len);
        return 0;
    }
    json_t *answer = obj_parse(reply.body, reply.body_len, err);
    if (answer == NULL)
        return error_wrap(err, "answer of automation controller \"%s\"", session->aap->url);
    if (out != NULL)
        *out = answer;
    else
        json_decref(answer);
    return 0;
}

/* Connects, and learns under which path the interface is. */
static int open_session(const struct hook_aap *aap, struct cancel *cancel, struct session *session,
                        struct error **err)
{
    const struct http_client_options options = {
        .token = aap->token, .ca_pem = aap->ca_pem, .insecure = aap->insecure};
    size_t len = strlen(aap->url);
    json_auto_t *answer = NULL;
    CLEANUP(error) struct error *ignored = NULL;

    session->aap = aap;
    session->cancel = cancel;
    if (http_client_new(&options, &session->client, err) == -1)
        return -1;
    while (len > 0 && aap->url[len - 1] == '/')
        len--;
    CLEANUP(str) char *root = xasprintf("%.*s/api/", (int)len, aap->url);
    /* Whatever is wrong with this answer, the next request tells it better. */
    if (ask(session, "GET", root, NULL, &answer, NULL, &ignored) == -1)
        answer = NULL;
    const char *path = obj_str(answer, "current_version", DEFAULT_PREFIX);
    size_t path_len = strlen(path);
    while (path_len > 0 && path[path_len - 1] == '/')
        path_len--;
    session->prefix = xasprintf("%.*s%.*s", (int)len, aap->url, (int)path_len, path);
    return 0;
}

static char *mark_of(const struct hook_call *call)
{
    return xasprintf("%s/%s/%s/%s", meta_uid(call->migration), call->vm_id, call->step,
                     meta_uid(call->hook));
}

static char *id_text(const json_t *job)
{
    return xasprintf("%" PRId64, obj_int(job, "id", 0));
}

/* The id of a job that was started for CALL before, or NULL. */
static int find_job(struct session *session, const struct hook_call *call, char **id,
                    struct error **err)
{
    CLEANUP(str) char *mark = mark_of(call);
    CLEANUP(str) char *url =
        xasprintf("%s/jobs/?job_template=%" PRId64 "&order_by=-id&page_size=%d", session->prefix,
                  obj_int(call->hook, "spec.aap.jobTemplateId", 0), RECENT_JOBS);
    json_auto_t *answer = NULL;

    if (ask(session, "GET", url, NULL, &answer, NULL, err) == -1)
        return -1;
    const json_t *results = obj_arr(answer, "results");
    for (size_t i = 0; i < json_array_size(results) && *id == NULL; i++) {
        const json_t *job = json_array_get(results, i);
        if (strstr(obj_str(job, "extra_vars", ""), mark) != NULL)
            *id = id_text(job);
    }
    return 0;
}

static int launch(struct session *session, const struct hook_call *call, char **id,
                  struct error **err)
{
    CLEANUP(str) char *mark = mark_of(call);
    CLEANUP(str) char *url =
        xasprintf("%s/job_templates/%" PRId64 "/launch/", session->prefix,
                  obj_int(call->hook, "spec.aap.jobTemplateId", 0));
    json_auto_t *body = obj_pack(
        "{s:{s:s, s:s, s:s, s:s, s:s, s:s, s:s}}", "extra_vars", "vm_id", call->vm_id, "vm_name",
        call->vm_name, "plan_name", meta_name(call->plan), "plan_namespace", meta_ns(call->plan),
        "migration_phase", call->step, "vm_source_id", call->vm_id, MARK, mark);
    json_auto_t *answer = NULL;

    if (ask(session, "POST", url, body, &answer, NULL, err) == -1)
        return -1;
    if (obj_int(answer, "id", obj_int(answer, "job", 0)) <= 0)
        return error_set(err, ERROR_CORRUPT, "automation controller \"%s\" gave no job id",
                         session->aap->url);
    *id = xasprintf("%" PRId64, obj_int(answer, "id", obj_int(answer, "job", 0)));
    return 0;
}

/* The last lines of TEXT, at most HOOK_OUTPUT_BYTES. */
static char *tail_of(const char *text)
{
    const char *at = text + strlen(text);
    int lines = 0;

    while (at > text && text + strlen(text) - at < HOOK_OUTPUT_BYTES) {
        if (at[-1] == '\n' && lines++ == HOOK_OUTPUT_LINES)
            break;
        at--;
    }
    return xstrdup(at);
}

static void read_output(struct session *session, const char *id, struct hook_outcome *outcome)
{
    CLEANUP(str) char *url = xasprintf("%s/jobs/%s/stdout/?format=txt", session->prefix, id);
    CLEANUP(error) struct error *ignored = NULL; /* a job without output is still a job */
    CLEANUP(str) char *text = NULL;

    if (ask(session, "GET", url, NULL, NULL, &text, &ignored) == 0 &&
        utf8_is_valid(text, strlen(text)))
        outcome->output = tail_of(text);
}

static bool is_one_of(const char *text, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (str_eq(text, words[i]))
            return true;
    return false;
}

static int poll_job(struct session *session, const struct hook_call *call, const char *id,
                    struct hook_outcome *outcome, struct error **err)
{
    static const char *const bad[] = {"failed", "error", "canceled"};
    static const char *const early[] = {"new", "pending", "waiting"};
    CLEANUP(str) char *url = xasprintf("%s/jobs/%s/", session->prefix, id);
    json_auto_t *job = NULL;

    if (ask(session, "GET", url, NULL, &job, NULL, err) == -1)
        return -1;
    const char *status = obj_str(job, "status", "");
    const char *started = obj_str(job, "started", NULL);
    const char *finished = obj_str(job, "finished", NULL);
    outcome->started = started != NULL ? xstrdup(started) : NULL;
    outcome->completed = finished != NULL ? xstrdup(finished) : NULL;
    outcome->state = is_one_of(status, early, ARRAY_SIZE(early)) ? HOOK_WAITING : HOOK_RUNNING;
    if (str_eq(status, "successful"))
        outcome->state = HOOK_SUCCEEDED;
    if (is_one_of(status, bad, ARRAY_SIZE(bad))) {
        outcome->state = HOOK_FAILED;
        outcome->message = xasprintf("hook \"%s\": job %s of the automation controller is %s: %s",
                                     meta_name(call->hook), id, status,
                                     obj_str(job, "job_explanation", "see its output"));
    } else if (outcome->state == HOOK_WAITING) {
        outcome->message = xasprintf("job %s of the automation controller is %s", id, status);
    }
    if (outcome->state == HOOK_SUCCEEDED || outcome->state == HOOK_FAILED)
        read_output(session, id, outcome);
    return 0;
}

int hook_aap_run(const struct hook_aap *aap, const struct hook_call *call, const char *job,
                 struct cancel *cancel, struct hook_outcome *outcome, struct error **err)
{
    CLEANUP(session) struct session session = {0};
    CLEANUP(str) char *id = job != NULL ? xstrdup(job) : NULL;

    if (open_session(aap, cancel, &session, err) == -1)
        return -1;
    if (id == NULL && find_job(&session, call, &id, err) == -1)
        return -1;
    if (id == NULL && launch(&session, call, &id, err) == -1)
        return error_wrap(err, "cannot launch job template %" PRId64,
                          obj_int(call->hook, "spec.aap.jobTemplateId", 0));
    outcome->job = xstrdup(id);
    return poll_job(&session, call, id, outcome, err);
}

int hook_aap_cancel(const struct hook_aap *aap, const char *job, struct cancel *cancel,
                    struct error **err)
{
    CLEANUP(session) struct session session = {0};
    CLEANUP(error) struct error *failure = NULL;

    if (open_session(aap, cancel, &session, err) == -1)
        return -1;
    CLEANUP(str) char *url = xasprintf("%s/jobs/%s/cancel/", session.prefix, job);
    CLEANUP(str) char *text = NULL;
    json_auto_t *body = json_object();
    if (ask(&session, "POST", url, body, NULL, &text, &failure) == 0)
        return 0;
    if (!error_is_transient(failure)) /* 405: it has ended */
        return 0;
    *err = steal(&failure);
    return -1;
}

int64_t hook_aap_limit_s(const json_t *hook, int64_t setting_s)
{
    int64_t own = obj_int(hook, "spec.aap.timeout", 0);
    int64_t deadline = obj_int(hook, "spec.deadline", 0);

    if (own != 0)
        return own < 0 ? -1 : own;
    if (deadline != 0)
        return deadline < 0 ? -1 : deadline;
    return setting_s > 0 ? setting_s : DEFAULT_LIMIT_S;
}
