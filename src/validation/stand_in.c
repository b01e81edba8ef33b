/* Users were told to scale a Deployment to 0 and 1 again, or to restart it, after they changed
 * rules.  Here rules are taken by themselves, but the commands must not fail: the Deployments are
 * there, nothing runs for them, and what is asked of them is answered as done. */
#define LOG_COMPONENT "validation"

#include "base/array.h"
#include "base/error.h"
#include "base/log.h"
#include "data/obj.h"
#include "kube/client.h"
#include "kube/kinds.h"
#include "kube/meta.h"
#include "validation/internal.h"

static json_t *make(const char *ns, const char *name)
{
    return obj_pack(
        "{s:{s:s, s:s, s:{s:s}}, s:{s:i, s:{s:{s:s}}, s:{s:{s:{s:s}}, s:{s:[{s:s, s:s}]}}}}",
        "metadata", "name", name, "namespace", ns, "annotations", "gantry.io/stand-in",
        "gantryd does this work; nothing runs for this Deployment", "spec", "replicas", 1,
        "selector", "matchLabels", "app", name, "template", "metadata", "labels", "app", name,
        "spec", "containers", "name", name, "image", "gantryd");
}

/* Says that what the spec asks for is so. */
static int answer(struct validation *v, const json_t *deployment, struct error **err)
{
    int64_t generation = obj_int(deployment, "metadata.generation", 0);
    int64_t replicas = obj_int(deployment, "spec.replicas", 1);
    static const char *const counts[] = {"status.replicas", "status.updatedReplicas",
                                         "status.readyReplicas", "status.availableReplicas"};

    if (obj_int(deployment, "status.observedGeneration", 0) == generation)
        return 0;
    json_auto_t *changed = obj_copy(deployment);
    obj_put_int(changed, "status.observedGeneration", generation);
    for (size_t i = 0; i < ARRAY_SIZE(counts); i++)
        obj_put_int(changed, counts[i], replicas);
    obj_take(changed, "status.conditions",
             obj_pack("[{s:s, s:s, s:s}, {s:s, s:s, s:s}]", "type", "Available", "status", "True",
                      "reason", "MinimumReplicasAvailable", "type", "Progressing", "status", "True",
                      "reason", "NewReplicaSetAvailable"));
    return kube_update_status(v->options.client, &KIND_DEPLOYMENT, changed, NULL, err);
}

static int keep(struct validation *v, const char *name, struct error **err)
{
    json_auto_t *deployment = NULL;

    if (kube_get(v->options.client, &KIND_DEPLOYMENT, v->ns, name, &deployment, err) == -1)
        return -1;
    if (deployment == NULL) {
        json_auto_t *wanted = make(v->ns, name);
        if (kube_create(v->options.client, &KIND_DEPLOYMENT, v->ns, wanted, &deployment, err) == -1)
            return -1;
    }
    return answer(v, deployment, err);
}

void stand_in_refresh(struct validation *v)
{
    static const char *const names[] = {"forklift-validation", "forklift-controller"};

    if (!v->options.stand_in || v->options.client == NULL)
        return;
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        CLEANUP(error) struct error *err = NULL;
        if (keep(v, names[i], &err) == -1)
            log_debug("a Deployment is looked after later: name=%s reason=%s", names[i], err->msg);
    }
}
