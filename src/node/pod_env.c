#include "node/pod_spec.h"

#include "base/array.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "data/base64.h"
#include "data/obj.h"
#include "kube/kinds.h"
#include "kube/meta.h"
#include "kube/quantity.h"
#include "node/agent.h"
#include "node/image.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { EXPANDED_MAX = 1024 * 1024 };

char *pod_expand(const char *text, const json_t *env)
{
    struct buf out = BUF_INIT(EXPANDED_MAX);

    for (const char *p = text; *p != '\0';) {
        const char *end = p[0] == '$' && p[1] == '(' ? strchr(p, ')') : NULL;

        if (p[0] == '$' && p[1] == '$') {
            buf_add_char(&out, '$');
            p += 2;
            continue;
        }
        if (end != NULL) {
            CLEANUP(str) char *name = xstrndup(p + 2, (size_t)(end - p - 2));
            const char *value = obj_map_str(env, name);

            if (value != NULL) {
                buf_add(&out, value);
                p = end + 1;
                continue;
            }
        }
        buf_add_char(&out, *p++);
    }
    return buf_take(&out);
}

/* KEY of "metadata.labels['KEY']", or NULL. */
static char *quoted_key(const char *path, const char *prefix)
{
    size_t len = strlen(path), start = strlen(prefix);

    if (!str_starts_with(path, prefix) || len < start + 4 || path[start] != '[' ||
        path[start + 1] != '\'' || !str_ends_with(path, "']"))
        return NULL;
    return xstrndup(path + start + 2, len - start - 4);
}

static char *format_map(const json_t *map)
{
    struct buf out = BUF_INIT(EXPANDED_MAX);
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)map, key, value)
    {
        CLEANUP(str) char *text = obj_format(value);

        buf_printf(&out, "%s=%s\n", key, text);
    }
    return buf_take(&out);
}

char *pod_field(const struct agent *agent, const json_t *pod, const char *path)
{
    static const char *const plain[] = {"metadata.name", "metadata.namespace", "metadata.uid",
                                        "spec.serviceAccountName"};
    CLEANUP(str) char *label = quoted_key(path, "metadata.labels");
    CLEANUP(str) char *annotation = quoted_key(path, "metadata.annotations");

    for (size_t i = 0; i < ARRAY_SIZE(plain); i++)
        if (str_eq(path, plain[i]))
            return xstrdup(obj_str(pod, path, i == 3 ? "default" : ""));
    if (label != NULL || annotation != NULL) {
        const char *value = label != NULL ? meta_label(pod, label) : meta_annotation(pod, annotation);

        return xstrdup(value == NULL ? "" : value);
    }
    if (str_eq(path, "metadata.labels") || str_eq(path, "metadata.annotations"))
        return format_map(obj_obj(pod, path));
    if (str_eq(path, "spec.nodeName"))
        return xstrdup(agent->name);
    if (str_eq(path, "status.podIP") || str_eq(path, "status.hostIP"))
        return xstrdup("127.0.0.1");
    return NULL;
}

/* The text under KEY of a Secret or ConfigMap; NULL if that is absent and may be. */
static int read_key(struct agent *agent, const struct kube_kind *kind, const json_t *pod,
                    const json_t *selector, char **out, struct error **err)
{
    const char *name = obj_str(selector, "name", ""), *key = obj_str(selector, "key", "");
    bool optional = obj_bool(selector, "optional", false);
    json_t *object = NULL;

    *out = NULL;
    if (kube_get(agent->client, kind, meta_ns(pod), name, &object, err) == -1)
        return -1;
    json_auto_t *owned = object;
    const char *text = obj_map_str(obj_obj(owned, "data"), key);
    if (text == NULL)
        return optional ? 0
                        : error_set(err, ERROR_NOT_FOUND, "%s \"%s\" %s%s", kind->kind, name,
                                    owned == NULL ? "not found" : "has no key ",
                                    owned == NULL ? "" : key);
    if (kind == &KIND_CONFIG_MAP) {
        *out = xstrdup(text);
        return 0;
    }
    size_t len = 0;
    return base64_decode(text, strlen(text), out, &len, err) == -1
               ? error_wrap(err, "Secret \"%s\", key \"%s\"", name, key)
               : 0;
}

static int resource_value(const json_t *container, const json_t *selector, char **out,
                          struct error **err)
{
    const char *resource = obj_str(selector, "resource", "");
    CLEANUP(str) char *path = NULL;
    struct quantity quantity = {0};
    const json_t *value;

    if (!str_starts_with(resource, "limits.") && !str_starts_with(resource, "requests."))
        return error_set(err, ERROR_INVALID, "unknown resource \"%s\"", resource);
    path = xasprintf("resources.%s", resource);
    value = obj_at(container, path);
    if (value != NULL && quantity_from_json(value, &quantity, err) == -1)
        return error_wrap(err, "resource \"%s\"", resource);
    *out = xasprintf("%" PRId64, (quantity_to_milli(quantity) + 999) / 1000);
    return 0;
}

static int value_from(struct agent *agent, const json_t *pod, const json_t *container,
                      const json_t *source, char **out, struct error **err)
{
    const char *field = obj_str(source, "fieldRef.fieldPath", NULL);

    if (field != NULL) {
        *out = pod_field(agent, pod, field);
        return *out != NULL ? 0 : error_set(err, ERROR_UNSUPPORTED, "unknown field \"%s\"", field);
    }
    if (obj_obj(source, "secretKeyRef") != NULL)
        return read_key(agent, &KIND_SECRET, pod, obj_obj(source, "secretKeyRef"), out, err);
    if (obj_obj(source, "configMapKeyRef") != NULL)
        return read_key(agent, &KIND_CONFIG_MAP, pod, obj_obj(source, "configMapKeyRef"), out, err);
    if (obj_obj(source, "resourceFieldRef") != NULL)
        return resource_value(container, obj_obj(source, "resourceFieldRef"), out, err);
    return error_set(err, ERROR_UNSUPPORTED, "unknown source of a value");
}

static int add_all_from(struct agent *agent, const json_t *pod, const json_t *source, json_t *env,
                        struct error **err)
{
    bool secret = obj_obj(source, "secretRef") != NULL;
    const json_t *ref = obj_obj(source, secret ? "secretRef" : "configMapRef");
    const char *prefix = obj_str(source, "prefix", ""), *name = obj_str(ref, "name", "");
    json_t *object = NULL, *value;
    const char *key;

    if (kube_get(agent->client, secret ? &KIND_SECRET : &KIND_CONFIG_MAP, meta_ns(pod), name,
                 &object, err) == -1)
        return -1;
    json_auto_t *owned = object;
    if (owned == NULL)
        return obj_bool(ref, "optional", false)
                   ? 0
                   : error_set(err, ERROR_NOT_FOUND, "%s \"%s\" not found",
                               secret ? "Secret" : "ConfigMap", name);
    json_object_foreach(obj_obj(owned, "data"), key, value)
    {
        CLEANUP(str) char *full = xasprintf("%s%s", prefix, key);
        CLEANUP(str) char *plain = NULL;
        const char *text = json_is_string(value) ? json_string_value(value) : "";
        size_t len = 0;

        if (secret && base64_decode(text, strlen(text), &plain, &len, err) == -1)
            return error_wrap(err, "Secret \"%s\", key \"%s\"", name, key);
        json_object_set_new(env, full, json_string(secret ? plain : text));
    }
    return 0;
}

/* What every container has; its own variables may replace it. */
static json_t *base_environment(struct agent *agent, const json_t *pod)
{
    CLEANUP(str) char *port = xasprintf("%d", (int)agent->runtime.api_port);

    return obj_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:s}", "PATH",
                    IMAGE_PATH, "HOME", "/root", "LANG", "C.UTF-8", "HOSTNAME", meta_name(pod),
                    "KUBERNETES_SERVICE_HOST", "127.0.0.1", "KUBERNETES_SERVICE_PORT", port,
                    "KUBERNETES_SERVICE_PORT_HTTPS", port);
}

json_t *pod_environment(struct agent *agent, const json_t *pod, const json_t *container,
                        struct error **err)
{
    json_auto_t *env = base_environment(agent, pod);
    const json_t *entry;
    size_t i;

    json_array_foreach(obj_arr(container, "envFrom"), i, entry)
    {
        if (add_all_from(agent, pod, entry, env, err) == -1)
            return NULL;
    }
    json_array_foreach(obj_arr(container, "env"), i, entry)
    {
        const char *name = obj_str(entry, "name", "");
        CLEANUP(str) char *value = NULL;

        if (obj_obj(entry, "valueFrom") != NULL) {
            if (value_from(agent, pod, container, obj_obj(entry, "valueFrom"), &value, err) == -1) {
                error_wrap(err, "variable \"%s\"", name);
                return NULL;
            }
        } else {
            value = pod_expand(obj_str(entry, "value", ""), env);
        }
        if (value != NULL && name[0] != '\0')
            json_object_set_new(env, name, json_string(value));
    }
    return json_incref(env);
}

static int limit_of(const json_t *container, const char *path, uint64_t *value, bool milli,
                    struct error **err)
{
    const json_t *text = obj_at(container, path);
    struct quantity quantity;

    *value = 0;
    if (text == NULL)
        return 0;
    if (quantity_from_json(text, &quantity, err) == -1)
        return error_wrap(err, "%s", path);
    if (milli) {
        int64_t count = quantity_to_milli(quantity);

        *value = count > 0 ? (uint64_t)count : 0;
        return 0;
    }
    return quantity_to_u64(quantity, value, err) == -1 ? error_wrap(err, "%s", path) : 0;
}

int pod_limits(const json_t *container, struct container_limits *limits, struct error **err)
{
    enum { PIDS = 1024 };

    limits->pids = PIDS;
    if (limit_of(container, "resources.limits.memory", &limits->memory_bytes, false, err) == -1)
        return -1;
    return limit_of(container, "resources.limits.cpu", &limits->cpu_millis, true, err);
}
