#include "move/vm/hook_aap_step.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/secret.h"
#include "base/text.h"
#include "base/time.h"
#include "data/obj.h"
#include "hook/aap.h"
#include "kube/kinds.h"
#include "kube/meta.h"
#include "move/vm/provider_secret.h"
#include "move/vm/vm_status.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { MS_PER_S = 1000 };

/* What of a connection is ours to free. */
struct connection {
    struct hook_aap aap;
    struct secret *token;
    char *ca;
};

static void connection_reset(struct connection *connection)
{
    secret_free(connection->token);
    free(connection->ca);
}
DEFINE_CLEANUP_IN_PLACE(connection, struct connection, connection_reset)

/* The text under KEY of a Secret; absent is an error that names both. */
static int read_key(struct vm_run *run, const char *ns, const char *name, const char *key,
                    char **text, struct error **err)
{
    json_auto_t *secret = NULL;

    if (kube_get(run->view->room->client, &KIND_SECRET, ns, name, &secret, err) == -1)
        return -1;
    json_auto_t *decoded = secret != NULL ? provider_secret_decode(secret) : NULL;
    const char *value = obj_map_str(obj_obj(decoded, "data"), key);
    if (str_is_empty(value))
        return error_set(err, ERROR_INVALID, "secret \"%s/%s\" %s \"%s\"", ns, name,
                         secret == NULL ? "does not exist; it is to have" : "has no key", key);
    *text = xstrdup(value);
    return 0;
}

static int connect(struct vm_run *run, const json_t *hook, struct connection *connection,
                   struct error **err)
{
    const struct settings *settings = &run->view->settings;
    const char *url = obj_str(hook, "spec.aap.url", "");
    const char *own = obj_str(hook, "spec.aap.tokenSecret.name", "");
    const char *ns = own[0] != '\0' ? meta_ns(run->view->plan) : run->view->room->main_namespace;
    const char *name = own[0] != '\0' ? own : settings->aap_token_secret;
    char *token = NULL;

    connection->aap.url = url[0] != '\0' ? url : settings->aap_url;
    if (connection->aap.url == NULL || name == NULL)
        return error_set(err, ERROR_INVALID,
                         "hook \"%s\" has no connection to an automation controller",
                         meta_name(hook));
    if (read_key(run, ns, name, "token", &token, err) == -1)
        return -1;
    connection->token = secret_new(token, strlen(token));
    secret_wipe(token, strlen(token));
    free(token);
    if (settings->aap_ca_secret != NULL &&
        read_key(run, run->view->room->main_namespace, settings->aap_ca_secret, "ca.crt",
                 &connection->ca, err) == -1)
        return -1;
    connection->aap.token = connection->token;
    connection->aap.ca_pem = connection->ca;
    connection->aap.insecure = settings->aap_insecure;
    connection->aap.http_timeout_ms = settings->aap_timeout_s * MS_PER_S;
    return 0;
}

/* Ends a job that takes too long. */
static int enforce_limit(struct vm_run *run, const struct hook_call *call,
                         const struct hook_aap *aap, const json_t *task,
                         struct hook_outcome *outcome, struct error **err)
{
    int64_t limit_s = hook_aap_limit_s(call->hook, run->view->settings.aap_timeout_s);
    const char *began = obj_str(task, "started", NULL);
    int64_t since = 0;

    if ((outcome->state != HOOK_WAITING && outcome->state != HOOK_RUNNING) || began == NULL ||
        limit_s < 0)
        return 0;
    if (time_parse(began, &since, err) == -1)
        return -1;
    if (time_now_ms() - since <= limit_s * MS_PER_S)
        return 0;
    if (hook_aap_cancel(aap, outcome->job, NULL, err) == -1)
        return -1;
    free(outcome->message);
    outcome->state = HOOK_FAILED;
    outcome->message = xasprintf("hook \"%s\": job %s of the automation controller did not end "
                                 "within %" PRId64 " s",
                                 meta_name(call->hook), outcome->job, limit_s);
    outcome->hint = xstrdup("raise spec.aap.timeout of the hook");
    return 0;
}

int hook_aap_step(struct vm_run *run, const struct hook_call *call, const json_t *task,
                  struct hook_outcome *outcome, struct error **err)
{
    CLEANUP(connection) struct connection connection = {0};

    if (connect(run, call->hook, &connection, err) == -1 ||
        hook_aap_run(&connection.aap, call, step_annotation(task, "job"), NULL, outcome, err) == -1)
        return -1;
    return enforce_limit(run, call, &connection.aap, task, outcome, err);
}

static int stop_task(struct vm_run *run, const json_t *use, struct error **err)
{
    CLEANUP(str) char *key = reference_key(obj_at(use, "hook"));
    CLEANUP(connection) struct connection connection = {0};
    json_auto_t *hook = NULL;
    const json_t *task = step_task(vm_status_step(run->status, obj_str(use, "step", "")), key);
    const char *job = task != NULL ? step_annotation(task, "job") : NULL;

    if (job == NULL || step_is_finished(task))
        return 0;
    if (reference_get(run->view->room, &KIND_HOOK, obj_at(use, "hook"), &hook, err) == -1)
        return -1;
    if (obj_obj(hook, "spec.aap") == NULL)
        return 0;
    if (connect(run, hook, &connection, err) == -1)
        return -1;
    return hook_aap_cancel(&connection.aap, job, NULL, err);
}

int hook_aap_stop(struct vm_run *run, struct error **err)
{
    const json_t *hooks = obj_arr(run->status, "hooks");

    for (size_t i = 0; i < json_array_size(hooks); i++)
        if (stop_task(run, json_array_get(hooks, i), err) == -1)
            return -1;
    return 0;
}
