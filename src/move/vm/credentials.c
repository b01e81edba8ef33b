#include "move/vm/credentials.h"

#include "base/array.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "data/base64.h"
#include "data/obj.h"
#include "kube/kinds.h"
#include "kube/meta.h"
#include "move/vm/labels.h"

#include <stdlib.h>
#include <string.h>

#define CA_DIR "/etc/gantry-source"

/* Keys of a Secret as Forklift names them, and what gantry-copy reads. */
static const struct {
    const char *from, *key, *env;
} keys[] = {
    {"user", "accessKeyId", "GANTRY_COPY_USER"},
    {"password", "secretKey", "GANTRY_COPY_PASSWORD"},
    {"ca", "cacert", NULL},
};

static json_t *encode(const json_t *credentials)
{
    json_t *data = json_object();

    for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
        const char *text = obj_map_str(credentials, keys[i].from);
        CLEANUP(str) char *coded = text ? base64_encode(text, strlen(text)) : NULL;

        if (coded != NULL)
            json_object_set_new(data, keys[i].key, json_string(coded));
    }
    return data;
}

static int create(struct vm_run *run, json_t *data, char **name, struct error **err)
{
    CLEANUP(str)
    char *prefix = labels_name_prefix("%.20s-%s", meta_name(run->view->plan), vm_run_id(run));
    json_auto_t *secret = meta_new_generated(&KIND_SECRET, vm_run_target_ns(run), prefix);
    json_auto_t *made = NULL;
    json_t *labels = labels_new(run->view->plan, run->migration, vm_run_id(run));

    json_object_set_new(labels, "isDV", json_string("true"));
    obj_take(secret, "metadata.labels", labels);
    obj_put_str(secret, "type", "Opaque");
    obj_take(secret, "data", json_incref(data));
    if (kube_create(run->view->room->client, &KIND_SECRET, vm_run_target_ns(run), secret, &made,
                    err) == -1)
        return error_wrap(err, "cannot store the credentials for the copy");
    *name = xstrdup(meta_name(made));
    return 0;
}

int credentials_ensure(struct vm_run *run, const json_t *credentials, char **name,
                       struct error **err)
{
    CLEANUP(str) char *selector =
        labels_selector(run->view->plan, run->migration, vm_run_id(run), "isDV=true");
    json_auto_t *list = NULL, *data = encode(credentials);

    if (kube_list(run->view->room->client, &KIND_SECRET, vm_run_target_ns(run),
                  &(struct kube_list_options){.label_selector = selector}, &list, err) == -1)
        return error_wrap(err, "cannot look for the credentials of the copy");
    const json_t *secret = json_array_get(list, 0);
    if (secret == NULL)
        return create(run, data, name, err);
    *name = xstrdup(meta_name(secret));
    if (obj_eq(obj_obj(secret, "data"), data))
        return 0;
    json_auto_t *patch = obj_pack("{s:O}", "data", data);
    return kube_patch(run->view->room->client, &KIND_SECRET, meta_ns(secret), meta_name(secret),
                      NULL, patch, NULL, err);
}

void credentials_add_to_pod(json_t *pod_spec, const json_t *credentials, const char *name,
                            json_t *args)
{
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
        if (keys[i].env != NULL && obj_map_str(credentials, keys[i].from) != NULL)
            obj_take(pod_spec, "containers[0].env[]",
                     obj_pack("{s:s, s:{s:{s:s, s:s}}}", "name", keys[i].env, "valueFrom",
                              "secretKeyRef", "name", name, "key", keys[i].key));
    if (obj_map_str(credentials, "ca") == NULL)
        return;
    obj_take(pod_spec, "volumes[]",
             obj_pack("{s:s, s:{s:s, s:[{s:s, s:s}]}}", "name", "source-ca", "secret",
                      "secretName", name, "items", "key", "cacert", "path", "ca.pem"));
    obj_take(pod_spec, "containers[0].volumeMounts[]",
             obj_pack("{s:s, s:s, s:b}", "name", "source-ca", "mountPath", CA_DIR, "readOnly", 1));
    json_array_append_new(args, json_string("--ca-file"));
    json_array_append_new(args, json_string(CA_DIR "/ca.pem"));
}
