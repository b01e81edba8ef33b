/* The order of making: ConfigMap, Job that mounts it, then the ConfigMap's owner (the Job).  A
 * crash in between leaves a ConfigMap without an owner, which the next look finds and finishes. */

#include "hook/job.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/time.h"
#include "data/base64.h"
#include "data/obj.h"
#include "hook/context.h"
#include "hook/job_result.h"
#include "kube/client.h"
#include "kube/kinds.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_PREFIX_MAX = 57 /* leaves room for five letters */ };

void hook_outcome_reset(struct hook_outcome *outcome)
{
    free(outcome->job);
    free(outcome->message);
    free(outcome->hint);
    free(outcome->output);
    free(outcome->started);
    free(outcome->completed);
    memset(outcome, 0, sizeof(*outcome));
}

static char *label_selector(const struct hook_call *call)
{
    return xasprintf("plan=%s,migration=%s,vmID=%s,step=%s,hook=%s",
                     obj_str(call->plan, "metadata.uid", ""),
                     obj_str(call->migration, "metadata.uid", ""), call->vm_id, call->step,
                     obj_str(call->hook, "metadata.uid", ""));
}

/* "<plan>-<vm id>-<step>-" in lower case, for generateName. */
static char *name_prefix(const struct hook_call *call)
{
    char *tail = xasprintf("-%s-", call->step);
    char *head = xasprintf("%s-%s", obj_str(call->plan, "metadata.name", ""), call->vm_id);
    size_t room = NAME_PREFIX_MAX - strlen(tail);

    if (strlen(head) > room)
        head[room] = '\0';
    char *prefix = xasprintf("%s%s", head, tail);
    free(head);
    free(tail);
    for (char *c = prefix; *c != '\0'; c++) {
        *c = (char)tolower((unsigned char)*c);
        if (!isalnum((unsigned char)*c) && *c != '-')
            *c = '-';
    }
    return prefix;
}

static json_t *metadata(const struct hook_call *call)
{
    char *prefix = name_prefix(call);
    json_t *meta = obj_pack(
        "{s:s, s:s, s:{s:s, s:s, s:s, s:s, s:s, s:s}}", "generateName", prefix, "namespace",
        obj_str(call->plan, "metadata.namespace", ""), "labels", "plan",
        obj_str(call->plan, "metadata.uid", ""), "migration",
        obj_str(call->migration, "metadata.uid", ""), "vmID", call->vm_id, "step", call->step,
        "hook", obj_str(call->hook, "metadata.uid", ""), "resource", "hook-config");

    free(prefix);
    return meta;
}

json_t *hook_job_config_map(const struct hook_call *call, const char *playbook)
{
    char *workload = hook_workload_yaml(call->provider_type, call->workload);
    char *plan = hook_plan_yaml(call->plan);
    json_t *map =
        obj_pack("{s:o, s:{s:s, s:s, s:s}}", "metadata", metadata(call), "data",
                 HOOK_FILE_WORKLOAD, workload, HOOK_FILE_PLAYBOOK, playbook, HOOK_FILE_PLAN, plan);

    free(workload);
    free(plan);
    return map;
}

static json_t *owner_reference(const char *api_version, const char *kind, const json_t *owner)
{
    return obj_pack("{s:s, s:s, s:s, s:s}", "apiVersion", api_version, "kind", kind, "name",
                    obj_str(owner, "metadata.name", ""), "uid",
                    obj_str(owner, "metadata.uid", ""));
}

static const char *service_account(const struct hook_call *call)
{
    const char *name = obj_str(call->hook, "spec.serviceAccount", NULL);

    if (str_is_empty(name))
        name = obj_str(call->plan, "spec.serviceAccount", NULL);
    return str_is_empty(name) ? call->service_account : name;
}

static json_t *container(const struct hook_call *call)
{
    const char *image = obj_str(call->hook, "spec.image", "");
    json_t *box = obj_pack("{s:s, s:s, s:[{s:s, s:s}]}", "name", "hook", "image",
                           image[0] != '\0' ? image : HOOK_DEFAULT_IMAGE, "volumeMounts", "name",
                           "hook", "mountPath", HOOK_DIR);

    if (obj_str(call->hook, "spec.playbook", "")[0] != '\0')
        obj_take(box, "command",
                 obj_pack("[s, s, s, s, s, s]", "/bin/entrypoint", "ansible-runner", "run",
                          "/tmp/runner", "-p", HOOK_DIR "/" HOOK_FILE_PLAYBOOK));
    obj_take(box, "resources",
             call->resources != NULL
                 ? obj_copy(call->resources)
                 : obj_pack("{s:{s:s, s:s}, s:{s:s, s:s}}", "requests", "cpu", "100m", "memory",
                            "150Mi", "limits", "cpu", "1000m", "memory", "1Gi"));
    return box;
}

json_t *hook_job_manifest(const struct hook_call *call, const char *config_map)
{
    int64_t deadline = obj_int(call->hook, "spec.deadline", 0);
    const char *account = service_account(call);
    json_t *pod = obj_pack("{s:s, s:i, s:[o], s:[{s:s, s:{s:s}}]}", "restartPolicy", "Never",
                           "activeDeadlineSeconds",
                           (int)(deadline > 0 ? deadline : HOOK_RUN_TIMEOUT_S), "containers",
                           container(call), "volumes", "name", "hook", "configMap", "name",
                           config_map);

    if (!str_is_empty(account))
        obj_put_str(pod, "serviceAccountName", account);

    json_t *job = obj_pack("{s:o, s:{s:i, s:{s:o}}}", "metadata", metadata(call), "spec",
                           "backoffLimit", 1, "template", "spec", pod);
    obj_take(job, "metadata.ownerReferences",
             json_pack("[o]", owner_reference("forklift.konveyor.io/v1beta1", "Plan", call->plan)));
    return job;
}

/* The first object with CALL's labels, or NULL. */
static int find(struct kube_client *client, const struct kube_kind *kind,
                const struct hook_call *call, json_t **out, struct error **err)
{
    CLEANUP(str) char *selector = label_selector(call);
    json_auto_t *items = NULL;

    if (kube_list(client, kind, obj_str(call->plan, "metadata.namespace", ""),
                  &(struct kube_list_options){.label_selector = selector}, &items, err) == -1)
        return -1;
    *out = json_incref(json_array_get(items, 0));
    return 0;
}

static int decode_playbook(const json_t *hook, char **playbook, struct error **err)
{
    const char *text = obj_str(hook, "spec.playbook", "");
    size_t len = 0;

    if (base64_decode(text, strlen(text), playbook, &len, err) == -1)
        return error_wrap(err, "playbook of hook \"%s\"", obj_str(hook, "metadata.name", ""));
    return 0;
}

static int ensure_config_map(struct kube_client *client, const struct hook_call *call,
                             json_t **map, struct error **err)
{
    CLEANUP(str) char *playbook = NULL;

    if (find(client, &KIND_CONFIG_MAP, call, map, err) == -1)
        return -1;
    if (*map != NULL)
        return 0;
    if (decode_playbook(call->hook, &playbook, err) == -1)
        return -1;
    json_auto_t *manifest = hook_job_config_map(call, playbook);
    if (kube_create(client, &KIND_CONFIG_MAP, obj_str(call->plan, "metadata.namespace", ""),
                    manifest, map, err) == -1)
        return error_wrap(err, "cannot make the files of hook \"%s\"",
                          obj_str(call->hook, "metadata.name", ""));
    return 0;
}

static int ensure_job(struct kube_client *client, const struct hook_call *call, json_t **job,
                      struct error **err)
{
    const char *ns = obj_str(call->plan, "metadata.namespace", "");
    json_auto_t *map = NULL;

    if (find(client, &KIND_JOB, call, job, err) == -1)
        return -1;
    if (*job == NULL) {
        if (ensure_config_map(client, call, &map, err) == -1)
            return -1;
        json_auto_t *manifest = hook_job_manifest(call, obj_str(map, "metadata.name", ""));
        if (kube_create(client, &KIND_JOB, ns, manifest, job, err) == -1)
            return error_wrap(err, "cannot start hook \"%s\"",
                              obj_str(call->hook, "metadata.name", ""));
    } else if (find(client, &KIND_CONFIG_MAP, call, &map, err) == -1) {
        return -1;
    }
    if (map == NULL || obj_count(map, "metadata.ownerReferences") > 0)
        return 0;

    json_auto_t *patch = obj_pack("{s:{s:[o]}}", "metadata", "ownerReferences",
                                  owner_reference("batch/v1", "Job", *job));
    return kube_patch(client, &KIND_CONFIG_MAP, ns, obj_str(map, "metadata.name", ""), NULL, patch,
                      NULL, err);
}

int hook_job_run(struct kube_client *client, const struct hook_call *call,
                 struct hook_outcome *outcome, struct error **err)
{
    json_auto_t *job = NULL;

    if (ensure_job(client, call, &job, err) == -1)
        return -1;
    return hook_job_result(client, job, call, outcome, err);
}

int hook_job_clean(struct kube_client *client, const json_t *plan, const char *vm_id,
                   struct error **err)
{
    const char *ns = obj_str(plan, "metadata.namespace", "");
    const char *uid = obj_str(plan, "metadata.uid", "");
    CLEANUP(str) char *selector =
        vm_id != NULL ? xasprintf("plan=%s,vmID=%s,resource=hook-config", uid, vm_id)
                      : xasprintf("plan=%s,resource=hook-config", uid);
    const struct kube_list_options options = {.label_selector = selector};

    if (kube_delete_matching(client, &KIND_JOB, ns, &options, err) == -1)
        return error_wrap(err, "cannot remove hook jobs");
    if (kube_delete_matching(client, &KIND_CONFIG_MAP, ns, &options, err) == -1)
        return error_wrap(err, "cannot remove hook files");
    return 0;
}
