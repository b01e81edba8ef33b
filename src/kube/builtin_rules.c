#include "kube/builtin_rules.h"

#include "base/array.h"
#include "base/mem.h"
#include "base/text.h"
#include "data/base64.h"
#include "data/obj.h"
#include "kube/builtin.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { DATA_MAX = 1024 * 1024 }; /* bytes of a Secret's or ConfigMap's data */

static bool same_at(const json_t *a, const json_t *b, const char *path)
{
    json_t *x = obj_at(a, path), *y = obj_at(b, path);

    return x == y || (x != NULL && y != NULL && obj_eq(x, y));
}

static void check_fixed(const json_t *object, const json_t *old, const char *path,
                        struct cause_list *causes)
{
    if (old == NULL || same_at(object, old, path))
        return;

    json_t *value = obj_at(object, path);
    json_auto_t *null = json_null();

    cause_add(causes, CAUSE_INVALID, path, value != NULL ? value : null, "field is immutable");
}

static void put_default_str(json_t *object, const char *path, const char *value)
{
    if (obj_at(object, path) == NULL)
        obj_put_str(object, path, value);
}

/* --- Namespace --- */

static void namespace_prepare(json_t *object, const json_t *old)
{
    const char *name = obj_str(object, "metadata.name", NULL);

    if (old == NULL) {
        if (obj_arr(object, "spec.finalizers") == NULL)
            obj_put_str(object, "spec.finalizers[]", "kubernetes");
        obj_put_str(object, "status.phase", "Active");
    }
    if (name == NULL)
        return;
    if (obj_obj(object, "metadata.labels") == NULL)
        obj_take(object, "metadata.labels", json_object());
    json_object_set_new(obj_obj(object, "metadata.labels"), "kubernetes.io/metadata.name",
                        json_string(name));
}

/* --- Secret and ConfigMap --- */

static void secret_prepare(json_t *object, const json_t *old)
{
    const char *key;
    json_t *value, *plain = obj_obj(object, "stringData");

    put_default_str(object, "type", "Opaque");
    if (json_object_size(plain) > 0 && obj_obj(object, "data") == NULL)
        obj_take(object, "data", json_object());
    json_object_foreach(plain, key, value)
    {
        CLEANUP(str)
        char *text = base64_encode(json_string_value(value), json_string_length(value));

        json_object_set_new(obj_obj(object, "data"), key, json_string(text));
    }
    json_object_del(object, "stringData");
}

static void check_keys(const json_t *object, const char *member, bool is_base64, size_t *total,
                       struct cause_list *causes)
{
    const char *key;
    json_t *value;

    json_object_foreach(obj_obj(object, member), key, value)
    {
        CLEANUP(str) char *field = xasprintf("%s[%s]", member, key);
        json_auto_t *shown = json_string(key);
        bool good = key[0] != '\0' && strcmp(key, ".") != 0 && !str_starts_with(key, "..") &&
                    strlen(key) <= 253;

        for (const char *c = key; *c != '\0'; c++)
            good &= isalnum((unsigned char)*c) || strchr("-._", *c) != NULL;
        if (!good)
            cause_add(causes, CAUSE_INVALID, field, shown,
                      "a valid config key must consist of alphanumeric characters, '-', '_' or "
                      "'.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for "
                      "validation is '[-._a-zA-Z0-9]+')");
        *total +=
            strlen(key) + json_string_length(value) / (is_base64 ? 4 : 1) * (is_base64 ? 3 : 1);
    }
}

static void check_immutable_data(const json_t *object, const json_t *old, struct cause_list *causes)
{
    static const char *const members[] = {"data", "binaryData"};

    if (!obj_bool(old, "immutable", false))
        return;
    if (!obj_bool(object, "immutable", false))
        cause_add(causes, CAUSE_FORBIDDEN, "immutable", NULL,
                  "field is immutable when `immutable` is set");
    for (size_t i = 0; i < ARRAY_SIZE(members); i++)
        if (!same_at(object, old, members[i]))
            cause_add(causes, CAUSE_FORBIDDEN, members[i], NULL,
                      "field is immutable when `immutable` is set");
}

static void check_size(size_t total, const char *field, struct cause_list *causes)
{
    if (total > DATA_MAX)
        cause_add(causes, CAUSE_TOO_LONG, field, NULL, "may not be more than %d bytes", DATA_MAX);
}

static const struct {
    const char *type;
    const char *key; /* must be in the data */
} secret_types[] = {
    {"kubernetes.io/dockercfg", ".dockercfg"},
    {"kubernetes.io/dockerconfigjson", ".dockerconfigjson"},
    {"kubernetes.io/ssh-auth", "ssh-privatekey"},
    {"kubernetes.io/tls", "tls.crt"},
    {"kubernetes.io/tls", "tls.key"},
};

static void secret_validate(const json_t *object, const json_t *old, struct cause_list *causes)
{
    const char *type = obj_str(object, "type", "");
    size_t total = 0;

    check_keys(object, "data", true, &total, causes);
    check_size(total, "data", causes);
    check_fixed(object, old, "type", causes);
    check_immutable_data(object, old, causes);
    for (size_t i = 0; i < ARRAY_SIZE(secret_types); i++)
        if (str_eq(type, secret_types[i].type) &&
            json_object_get(obj_obj(object, "data"), secret_types[i].key) == NULL) {
            CLEANUP(str) char *field = xasprintf("data[%s]", secret_types[i].key);

            cause_add(causes, CAUSE_REQUIRED, field, NULL, NULL);
        }
    if (str_eq(type, "kubernetes.io/service-account-token") &&
        obj_map_str(obj_obj(object, "metadata.annotations"),
                    "kubernetes.io/service-account.name") == NULL)
        cause_add(causes, CAUSE_REQUIRED,
                  "metadata.annotations[kubernetes.io/service-account.name]", NULL, NULL);
}

static void config_map_validate(const json_t *object, const json_t *old, struct cause_list *causes)
{
    const char *key;
    json_t *value;
    size_t total = 0;

    check_keys(object, "data", false, &total, causes);
    check_keys(object, "binaryData", true, &total, causes);
    check_size(total, "", causes);
    check_immutable_data(object, old, causes);
    json_object_foreach(obj_obj(object, "binaryData"), key,
                        value) if (json_object_get(obj_obj(object, "data"), key) != NULL)
    {
        CLEANUP(str) char *field = xasprintf("data[%s]", key);
        json_auto_t *shown = json_string(key);

        cause_add(causes, CAUSE_INVALID, field, shown, "duplicate of key present in binaryData");
    }
}

/* --- Pod and Job --- */

/* Guaranteed if every container has limits for both resources and asks for no less, Burstable if
 * any asks for anything. */
static const char *quality_of(const json_t *pod)
{
    static const char *const resources[] = {"cpu", "memory"};
    json_t *container;
    size_t i;
    bool asks = false, guaranteed = true;

    json_array_foreach(obj_arr(pod, "spec.containers"), i,
                       container) for (size_t r = 0; r < ARRAY_SIZE(resources); r++)
    {
        json_t *limit = json_object_get(obj_obj(container, "resources.limits"), resources[r]);
        json_t *request = json_object_get(obj_obj(container, "resources.requests"), resources[r]);

        asks |= limit != NULL || request != NULL;
        guaranteed &= limit != NULL && (request == NULL || obj_eq(limit, request));
    }
    return !asks ? "BestEffort" : guaranteed ? "Guaranteed" : "Burstable";
}

static void pod_prepare(json_t *object, const json_t *old)
{
    put_default_str(object, "spec.serviceAccountName", "default");
    put_default_str(object, "spec.serviceAccount",
                    obj_str(object, "spec.serviceAccountName", "default"));
    if (old != NULL)
        return;
    obj_put_str(object, "status.phase", "Pending");
    obj_put_str(object, "status.qosClass", quality_of(object));
}

/* A pod's spec without what may change. */
static json_t *fixed_part(const json_t *pod)
{
    json_t *spec = obj_copy(obj_obj(pod, "spec")), *container;
    size_t i;

    json_object_del(spec, "activeDeadlineSeconds");
    json_object_del(spec, "terminationGracePeriodSeconds");
    json_object_del(spec, "tolerations");
    json_object_del(spec, "nodeName"); /* set once, by who places the pod */
    json_array_foreach(obj_arr(spec, "containers"), i, container)
        json_object_del(container, "image");
    json_array_foreach(obj_arr(spec, "initContainers"), i, container)
        json_object_del(container, "image");
    return spec;
}

static void pod_validate(const json_t *object, const json_t *old, struct cause_list *causes)
{
    if (old == NULL)
        return;

    json_auto_t *is = fixed_part(object), *was = fixed_part(old);

    if (!obj_eq(is, was))
        cause_add(causes, CAUSE_FORBIDDEN, "spec", NULL,
                  "pod updates may not change fields other than `spec.containers[*].image`,"
                  "`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,"
                  "`spec.tolerations` (only additions to existing tolerations),"
                  "`spec.terminationGracePeriodSeconds`");
    if (obj_str(old, "spec.nodeName", NULL) != NULL)
        check_fixed(object, old, "spec.nodeName", causes);
}

static void put_label(json_t *labels, const char *key, const char *value)
{
    if (json_object_get(labels, key) == NULL)
        json_object_set_new(labels, key, json_string(value));
}

static json_t *need_object(json_t *object, const char *path)
{
    if (obj_obj(object, path) == NULL)
        obj_take(object, path, json_object());
    return obj_obj(object, path);
}

static void job_prepare(json_t *object, const json_t *old)
{
    const char *uid = obj_str(object, "metadata.uid", "");
    const char *name = obj_str(object, "metadata.name", "");

    if (old != NULL || obj_bool(object, "spec.manualSelector", false) ||
        obj_obj(object, "spec.template") == NULL)
        return;
    put_label(need_object(object, "spec.selector.matchLabels"),
              "batch.kubernetes.io/controller-uid", uid);

    json_t *labels = need_object(object, "spec.template.metadata.labels");

    put_label(labels, "batch.kubernetes.io/controller-uid", uid);
    put_label(labels, "batch.kubernetes.io/job-name", name);
    put_label(labels, "controller-uid", uid);
    put_label(labels, "job-name", name);
}

static void job_validate(const json_t *object, const json_t *old, struct cause_list *causes)
{
    const char *policy = obj_str(object, "spec.template.spec.restartPolicy", "");

    if (!str_eq(policy, "OnFailure") && !str_eq(policy, "Never"))
        cause_add(causes, CAUSE_REQUIRED, "spec.template.spec.restartPolicy", NULL,
                  "valid values: \"OnFailure\", \"Never\"");
    check_fixed(object, old, "spec.selector", causes);
    check_fixed(object, old, "spec.template", causes);
    check_fixed(object, old, "spec.completions", causes);
    check_fixed(object, old, "spec.completionMode", causes);
}

/* --- volumes --- */

static void claim_prepare(json_t *object, const json_t *old)
{
    if (old == NULL)
        obj_put_str(object, "status.phase", "Pending");
}

static json_t *fixed_claim(const json_t *claim)
{
    json_t *spec = obj_copy(obj_obj(claim, "spec"));

    json_object_del(spec, "volumeName"); /* set once, by who binds the claim */
    obj_del(spec, "resources.requests");
    if (json_object_size(obj_obj(spec, "resources")) == 0)
        json_object_del(spec, "resources");
    return spec;
}

static void claim_validate(const json_t *object, const json_t *old, struct cause_list *causes)
{
    if (obj_count(object, "spec.accessModes") == 0)
        cause_add(causes, CAUSE_REQUIRED, "spec.accessModes", NULL,
                  "at least 1 access mode is required");
    if (obj_at(object, "spec.resources.requests.storage") == NULL)
        cause_add(causes, CAUSE_REQUIRED, "spec.resources[storage]", NULL, NULL);
    if (old == NULL)
        return;

    json_auto_t *is = fixed_claim(object), *was = fixed_claim(old);
    bool class_is_set = obj_str(old, "spec.storageClassName", NULL) != NULL;

    if (!class_is_set) { /* a default class may be filled in later */
        json_object_del(is, "storageClassName");
        json_object_del(was, "storageClassName");
    }
    if (!obj_eq(is, was))
        cause_add(causes, CAUSE_FORBIDDEN, "spec", NULL,
                  "spec is immutable after creation except resources.requests and "
                  "volumeAttributesClassName for bound claims");
    if (obj_str(old, "spec.volumeName", "")[0] != '\0')
        check_fixed(object, old, "spec.volumeName", causes);
}

static void volume_prepare(json_t *object, const json_t *old)
{
    if (old == NULL)
        obj_put_str(object, "status.phase", "Available");
}

static void class_validate(const json_t *object, const json_t *old, struct cause_list *causes)
{
    static const char *const fields[] = {"parameters", "provisioner", "reclaimPolicy",
                                         "volumeBindingMode"};

    if (obj_str(object, "provisioner", "")[0] == '\0')
        cause_add(causes, CAUSE_REQUIRED, "provisioner", NULL, NULL);
    for (size_t i = 0; old != NULL && i < ARRAY_SIZE(fields); i++)
        if (!same_at(object, old, fields[i]))
            cause_add(causes, CAUSE_FORBIDDEN, fields[i], NULL, "updates to %s are forbidden.",
                      fields[i]);
}

/* --- roles --- */

#define RBAC_GROUP "rbac.authorization.k8s.io"
static void binding_prepare(json_t *object, const json_t *old)
{
    json_t *subject;
    size_t i;

    if (obj_obj(object, "roleRef") != NULL)
        put_default_str(object, "roleRef.apiGroup", RBAC_GROUP);
    json_array_foreach(obj_arr(object, "subjects"), i,
                       subject) if (!str_eq(obj_str(subject, "kind", ""), "ServiceAccount"))
        put_default_str(subject, "apiGroup", RBAC_GROUP);
}

static void check_supported(const json_t *object, const char *field, const char *const *values,
                            size_t count, struct cause_list *causes)
{
    CLEANUP(buf) struct buf list = BUF_INIT(256);
    const char *value = obj_str(object, field, "");

    for (size_t i = 0; i < count; i++) {
        if (str_eq(value, values[i]))
            return;
        buf_printf(&list, "%s\"%s\"", i > 0 ? ", " : "", values[i]);
    }
    json_auto_t *shown = json_string(value);
    cause_add(causes, CAUSE_NOT_SUPPORTED, field, shown, "supported values: %s", list.ptr);
}

static void check_role_ref(const json_t *binding, struct cause_list *causes)
{
    static const char *const groups[] = {RBAC_GROUP};
    static const char *const kinds[] = {"ClusterRole", "Role"};
    bool everywhere = str_eq(obj_str(binding, "kind", ""), "ClusterRoleBinding");

    check_supported(binding, "roleRef.apiGroup", groups, 1, causes);
    check_supported(binding, "roleRef.kind", kinds, everywhere ? 1 : 2, causes);
    if (obj_str(binding, "roleRef.name", "")[0] == '\0')
        cause_add(causes, CAUSE_REQUIRED, "roleRef.name", NULL, NULL);
}

/* Its kind is one of the three: the schema saw to that. */
static void check_subject(const json_t *subject, size_t i, struct cause_list *causes)
{
    const char *kind = obj_str(subject, "kind", "");
    bool is_account = str_eq(kind, "ServiceAccount");
    const char *group = is_account ? "" : RBAC_GROUP;
    CLEANUP(str) char *name = xasprintf("subjects[%zu].name", i);
    CLEANUP(str) char *ns = xasprintf("subjects[%zu].namespace", i);
    CLEANUP(str) char *api_group = xasprintf("subjects[%zu].apiGroup", i);

    if (obj_str(subject, "name", "")[0] == '\0')
        cause_add(causes, CAUSE_REQUIRED, name, NULL, NULL);
    if (is_account && obj_str(subject, "namespace", "")[0] == '\0')
        cause_add(causes, CAUSE_REQUIRED, ns, NULL, NULL);
    if (!str_eq(obj_str(subject, "apiGroup", ""), group))
        cause_add(causes, CAUSE_NOT_SUPPORTED, api_group, obj_at(subject, "apiGroup"),
                  "supported values: \"%s\"", group);
}

/* A binding names a role that can be, and never another one than at first: who may change its
 * subjects was judged by the role. */
static void binding_validate(const json_t *object, const json_t *old, struct cause_list *causes)
{
    json_t *subject;
    size_t i;

    if (old != NULL && !same_at(object, old, "roleRef"))
        cause_add(causes, CAUSE_INVALID, "roleRef", obj_at(object, "roleRef"),
                  "cannot change roleRef");
    check_role_ref(object, causes);
    json_array_foreach(obj_arr(object, "subjects"), i, subject) {
        check_subject(subject, i, causes);
    }
}

static void role_validate(const json_t *object, const json_t *old, struct cause_list *causes)
{
    bool everywhere = str_eq(obj_str(object, "kind", ""), "ClusterRole");
    json_t *rule;
    size_t i;

    json_array_foreach(obj_arr(object, "rules"), i, rule) {
        CLEANUP(str) char *verbs = xasprintf("rules[%zu].verbs", i);
        CLEANUP(str) char *groups = xasprintf("rules[%zu].apiGroups", i);
        CLEANUP(str) char *resources = xasprintf("rules[%zu].resources", i);
        CLEANUP(str) char *paths = xasprintf("rules[%zu].nonResourceURLs", i);

        if (obj_count(rule, "verbs") == 0)
            cause_add(causes, CAUSE_REQUIRED, verbs, NULL, "verbs must contain at least one value");
        if (obj_count(rule, "nonResourceURLs") > 0) {
            if (!everywhere)
                cause_add(causes, CAUSE_INVALID, paths, obj_at(rule, "nonResourceURLs"),
                          "namespaced rules cannot apply to non-resource URLs");
            if (obj_count(rule, "apiGroups") + obj_count(rule, "resources") +
                    obj_count(rule, "resourceNames") > 0)
                cause_add(causes, CAUSE_INVALID, paths, obj_at(rule, "nonResourceURLs"),
                          "rules cannot apply to both regular resources and non-resource URLs");
            continue;
        }
        if (obj_count(rule, "apiGroups") == 0)
            cause_add(causes, CAUSE_REQUIRED, groups, NULL,
                      "resource rules must supply at least one api group");
        if (obj_count(rule, "resources") == 0)
            cause_add(causes, CAUSE_REQUIRED, resources, NULL,
                      "resource rules must supply at least one resource");
    }
}

/* --- the rest --- */

static void deployment_validate(const json_t *object, const json_t *old, struct cause_list *causes)
{
    json_t *wanted = obj_obj(object, "spec.selector.matchLabels"), *value;
    json_t *labels = obj_obj(object, "spec.template.metadata.labels");
    const char *key;

    check_fixed(object, old, "spec.selector", causes);
    json_object_foreach(wanted, key, value)
    {
        json_t *label = json_object_get(labels, key);

        if (label == NULL || !obj_eq(label, value)) {
            cause_add(causes, CAUSE_INVALID, "spec.template.metadata.labels", labels,
                      "`selector` does not match template `labels`");
            return;
        }
    }
}

static void definition_prepare(json_t *object, const json_t *old)
{
    crd_default(object);
}

static const struct builtin_rules rules[] = {
    {"namespace", NAME_LABEL, namespace_prepare, NULL},
    {"secret", NAME_SUBDOMAIN, secret_prepare, secret_validate},
    {"configmap", NAME_SUBDOMAIN, NULL, config_map_validate},
    {"pod", NAME_SUBDOMAIN, pod_prepare, pod_validate},
    {"job", NAME_SUBDOMAIN, job_prepare, job_validate},
    {"claim", NAME_SUBDOMAIN, claim_prepare, claim_validate},
    {"volume", NAME_SUBDOMAIN, volume_prepare, NULL},
    {"class", NAME_SUBDOMAIN, NULL, class_validate},
    {"role", NAME_SEGMENT, NULL, role_validate},
    {"binding", NAME_SEGMENT, binding_prepare, binding_validate},
    {"deployment", NAME_SUBDOMAIN, NULL, deployment_validate},
    {"service", NAME_LABEL_1035, NULL, NULL},
    {"definition", NAME_SUBDOMAIN, definition_prepare, NULL},
};

const struct builtin_rules *builtin_rules_find(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(rules); i++)
        if (strcmp(rules[i].name, name) == 0)
            return &rules[i];
    return NULL;
}
